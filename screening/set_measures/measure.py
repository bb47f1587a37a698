"""Measure a set of generated images against real ones once, and keep the request with the result."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select

from curation.digests import digest_of
from curation.errors import BadInput
from curation.estimates import as_saved
from curation.jobs import enqueue, utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.tables.content import CONTENT, measurement_content
from curation.tables.images import BuildStatus
from curation.tables.measures import SetMeasurement
from curation.tables.operations import Job
from curation.tables.reading import OutcomeVerdict
from screening.features.backbone import load_backbone
from screening.set_measures.curation_map import curation_map
from screening.set_measures.membership_inference import SeenByGenerators, membership
from screening.set_measures.request import LEAST, MeasureRequest
from screening.set_measures.scope import ImageSet, measure_scope
from screening.set_measures.sets import RealImage, Sets, find_sets
from screening.set_measures.vectors import SetVectors, one_a_subject, shuffled, vectors_of
from train.backbones.names import absolute_location
from train.backbones.provenance import backbone_facts

# Raised whenever equal images could give another value: part of what makes a measurement the same one.
METHOD = "set-measures/2"
USUAL_MOST = 1_000
WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Scope:
    """Positions of three sets of one size, and of every real image that could have been copied."""

    name: str
    real: list[int]
    held_out: list[int]
    drawn: list[int]
    every_real: list[int]
    available: dict[str, int]

    @property
    def n(self) -> int:
        """The size of each set."""
        return len(self.real)


def queue_measurement(
    project: Project, request: MeasureRequest, now: datetime, backbone_path: str | None = None
) -> Job:
    """Queue a measurement for a worker; raises what `measure_sets` raises where there is nothing to measure.

    Queued twice it is measured once. What there is to measure is looked up again when the worker comes to it.
    """
    with project.database.read() as session:
        find_sets(session, request)
    location = absolute_location(backbone_path, project.root) if backbone_path is not None else None
    payload = {"request": request.model_dump(mode="json"), "backbone": location}
    with project.database.write() as session:
        return enqueue(session, now, "measure", payload)


def run_measure_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued measurement."""
    request = MeasureRequest.checked(**payload["request"])
    measure_sets(project, request, utc_now(), report, payload["backbone"])


def measure_sets(
    project: Project, request: MeasureRequest, now: datetime, report: OnProgress, backbone_path: str | None = None
) -> int:
    """Measure the set of `request`, or find it measured; returns the id of the measurement.

    The same request over the same images, outcomes and backbone is the same measurement. Raises NotFound, Conflict, or
    BadInput where there is nothing to measure or too little to measure it against.
    """
    backbone = load_backbone(project, backbone_path)
    with project.database.read() as session:
        sets = find_sets(session, request)
        seen = SeenByGenerators(session, sets.generator_ids)
    parameters = {
        "method": METHOD,
        **request.model_dump(mode="json"),
        **backbone_facts(backbone),
        "images_digest": _digest(sets, seen),
    }
    with project.database.read() as session:
        known = select(SetMeasurement.id).where(SetMeasurement.request_digest == digest_of(parameters))
        measurement_id = session.scalars(known.where(SetMeasurement.status == BuildStatus.READY)).first()
    if measurement_id is not None:
        return measurement_id
    scopes, left_out = _scopes(sets, request)
    vectors = vectors_of(project, sets, backbone, report)
    result = _result(request, sets, vectors, seen, scopes, report) | {"scopes_left_out": left_out}
    return _save(project, parameters, result, now)


def _digest(sets: Sets, seen: SeenByGenerators) -> str:
    drawn = sorted(
        [image.file_sha256, image.label, str(image.verdict), image.measured, image.proxy_only] for image in sets.drawn
    )
    real = [
        sorted(
            [image.file_sha256, image.subject_key, image.label or "", digest_of(image.covariates)] for image in images
        )
        for images in (sets.train, sets.validation)
    ]
    return digest_of([drawn, real, sorted(seen.keys), sorted(seen.pixels)])


def _scopes(sets: Sets, request: MeasureRequest) -> tuple[list[Scope], dict[str, str]]:
    """The scopes with enough images, all classes first, and why the others are left out."""
    scopes, left_out = [], {}
    for label in [WHOLE, *sorted({image.label for image in sets.measured})]:
        scope = _scope(sets, request, label)
        if scope.n >= LEAST:
            scopes.append(scope)
            continue
        counts = ", ".join(f"{count} {name}" for name, count in scope.available.items())
        reason = f"{LEAST} of each are needed, there are {counts}"
        if label == WHOLE:
            raise BadInput(f"too little to measure: {reason}. Import, draw or read more, or name other images.")
        left_out[label] = reason
    if request.n is not None and scopes[0].n < request.n:
        counts = ", ".join(f"{count} {name}" for name, count in scopes[0].available.items())
        raise BadInput(f"expected {request.n} images of each set, there are {counts}. Give a smaller --n.")
    return scopes, left_out


def _scope(sets: Sets, request: MeasureRequest, label: str) -> Scope:
    def of_class(images: Sequence[RealImage]) -> list[int]:
        return [place for place, image in enumerate(images) if label in (WHOLE, image.label)]

    every = of_class(sets.train)
    real = one_a_subject(sets.train, every, request.seed)
    held_out = one_a_subject(sets.validation, of_class(sets.validation), request.seed)
    drawn = [place for place, image in enumerate(sets.drawn) if image.measured and label in (WHOLE, image.label)]
    n = min(len(real), len(held_out), len(drawn), request.n or USUAL_MOST)
    available = {
        "drawn images": len(drawn),
        "real training subjects": len(real),
        "real validation subjects": len(held_out),
    }
    return Scope(label, real[:n], held_out[:n], shuffled(drawn, request.seed)[:n], every, available)


def _result(
    request: MeasureRequest,
    sets: Sets,
    vectors: SetVectors,
    seen: SeenByGenerators,
    scopes: Sequence[Scope],
    report: OnProgress,
) -> dict[str, Any]:
    measured = sets.measured
    verdicts = Counter(str(image.verdict or "unread") for image in measured)
    read = any(image.verdict is not None for image in sets.drawn)
    measured_scopes = []
    for number, scope in enumerate(scopes):
        step = number * request.resamples

        def report_part(done: int, step: int = step, name: str = scope.name) -> None:
            report(step + done, len(scopes) * request.resamples, f"parts of the sets, {name}")

        measured_scopes.append(_measure_scope(request, vectors, scope, report_part))
    report(0, 2, "membership inference")
    attacks = membership(sets, vectors, seen, request.seed)
    report(1, 2, "modes and subgroups")
    coverage_map = curation_map(sets, vectors, request.images == "snapshot" or not read, request.seed)
    report(2, 2, None)
    return {
        "set": request.name(),
        "notice": sets.notice,
        "intervals": "subject-level" if sets.subjects_known else "image-level: subjects are not known",
        "images": {
            "measured": len(measured),
            "drawn": len(sets.drawn),
            **{verdict: verdicts[verdict] for verdict in sorted(verdicts)},
        },
        "classes": dict(sorted(Counter(image.label for image in measured).items())),
        "real_classes": dict(sorted(Counter(image.label or "several or none" for image in sets.train).items())),
        "outcomes_by_proxy_alone": sum(image.proxy_only for image in sets.drawn),
        "outcomes": sum(image.verdict in (OutcomeVerdict.APPROVED, OutcomeVerdict.REJECTED) for image in sets.drawn),
        "validation_images_that_are_training_images": sets.shared_left_out,
        "dimension": vectors.train.features.shape[1],
        "scopes": measured_scopes,
        "membership": attacks,
        "map": coverage_map | {"kept_are": _kept(request, read)},
    }


def _kept(request: MeasureRequest, read: bool) -> str:
    if request.images == "snapshot":
        return request.name()
    return "approved" if read else request.name()


def _measure_scope(
    request: MeasureRequest, vectors: SetVectors, scope: Scope, report: Callable[[int], None]
) -> dict[str, Any]:
    sides = {
        "real": vectors.train.take(np.array(scope.real)),
        "held_out": vectors.validation.take(np.array(scope.held_out)),
        "drawn": vectors.drawn.take(np.array(scope.drawn)),
    }
    every_real = vectors.train.features[scope.every_real]
    rows = measure_scope(
        **sides,
        every_real=every_real,
        resamples=request.resamples,
        seed=request.seed,
        report=report,
        class_token=vectors.class_token,
    )
    return {
        "scope": scope.name,
        "n": scope.n,
        "available": scope.available,
        "measures": [as_saved(row) for row in rows],
        "spectra": {name: _mean_spectrum(images) for name, images in sides.items()},
    }


def _mean_spectrum(images: ImageSet) -> dict[str, list[float]]:
    """Mean log power in dB at 1, 2, ... cycles per image, and its standard error over images."""
    spectra = images.spectra
    error = spectra.std(axis=0, ddof=1) / np.sqrt(len(spectra))
    return {"mean": np.round(spectra.mean(axis=0), 3).tolist(), "error": np.round(error, 4).tolist()}


def _save(project: Project, parameters: dict[str, Any], result: dict[str, Any], now: datetime) -> int:
    """Save request and result in one transaction, so that a measurement is whole or absent."""
    digest = digest_of(parameters)
    with project.database.write() as session:
        saved = session.scalars(select(SetMeasurement).where(SetMeasurement.request_digest == digest)).one_or_none()
        if saved is not None:
            return saved.id
        saved = SetMeasurement(
            request=parameters, request_digest=digest, status=BuildStatus.READY, result=result, created_at=now
        )
        session.add(saved)
        session.flush()
        payload = {"measurement": saved.id, "request": digest, CONTENT: measurement_content(saved)}
        project.chain.record(session, "set.measured", payload, now)
        return saved.id
