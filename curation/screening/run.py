"""Screen a batch: every image gets pass, flag or block, each check its value and the threshold it was held against."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select

from curation.audit import digest_of
from curation.errors import BadInput, NotFound
from curation.models.generation import (
    Batch,
    GeneratorPixels,
    ScreenedImage,
    Screening,
    ScreeningCheck,
    ScreeningVerdict,
)
from curation.models.images import BuildStatus, Image, Split
from curation.project import Project
from curation.real_images import is_ready_real
from curation.screening.artefacts import fit_ranges, measures, ranges_as_json
from curation.screening.backbone import SHIPPED_BACKBONE, Backbone
from curation.screening.neighbours import EmbeddingFile, Features, nearest
from curation.screening.privacy import CopyGate, fit_copy_gate
from curation.screening.references import Reference, real_references

Report = Callable[[int, int, str | None], None]

CHUNK = 1_000
NEIGHBOURS = 3
DUPLICATE_SHARE = 0.25
SEVERITY = ("pass", "flag", "block")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one image."""

    name: str
    value: float
    threshold: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a screening reads before it begins: the batch's images and the real ones of the same shape."""

    batch: Batch
    images: Sequence[Image]
    train: Sequence[Reference]
    validation: Sequence[Reference]
    generator_images: int
    generator_images_here: int


def run_screening_job(project: Project, payload: dict[str, Any], report: Report) -> None:
    """The worker's entry."""
    screen_batch(project, int(payload["batch"]), datetime.now(UTC), report)


def screen_batch(
    project: Project, batch_id: int, now: datetime, report: Report, backbone_path: str | None = None
) -> dict[str, int]:
    """Check every image of a finished batch; returns counts by verdict. Under equal thresholds it is done once.

    Raises NotFound for an unknown batch, BadInput for an unfinished one or too few real images to set thresholds.
    """
    inputs = _inputs(project, batch_id)
    backbone = Backbone.load(backbone_path or SHIPPED_BACKBONE)
    embeddings = EmbeddingFile(project.directory("embeddings"), backbone)
    report(0, len(inputs.images), "thresholds from real images")
    features = {
        name: embeddings.features(project.store, [one.file_sha256 for one in some], lambda *_: None)
        for name, some in (("train", inputs.train), ("validation", inputs.validation), ("batch", inputs.images))
    }
    ranges = fit_ranges(project.store.stack([one.file_sha256 for one in inputs.train]))
    gate = fit_copy_gate(features["train"], features["validation"])
    duplicate_below = DUPLICATE_SHARE * gate.distance
    parameters = {
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "real_training_images": len(inputs.train),
        "real_validation_images": len(inputs.validation),
        "ranges": ranges_as_json(ranges),
        "copy_gate": gate.as_json(),
        "generator_images": inputs.generator_images,
        "generator_images_compared": inputs.generator_images_here,
        "duplicate_below": duplicate_below,
    }
    pixels = project.store.stack([image.file_sha256 for image in inputs.images])
    checks: list[list[Check]] = [[] for _ in inputs.images]
    for name, values in measures(pixels).items():
        for one, value in zip(checks, values.tolist(), strict=True):
            one.append(Check(name, value, str(ranges[name]), ranges[name].verdict(value)))
    for one, check in zip(checks, _duplicates(features["batch"], duplicate_below), strict=True):
        one.append(check)
    neighbours = _copies(features["batch"], features["train"], inputs.train, gate, checks)
    _save(project, inputs, parameters, checks, neighbours, now)
    report(len(inputs.images), len(inputs.images), None)
    return dict(Counter(_worst(one) for one in checks))


def _inputs(project: Project, batch_id: int) -> Inputs:
    with project.database.read() as session:
        batch = session.get(Batch, batch_id)
        if batch is None:
            raise NotFound(f"there is no batch {batch_id}. `rounds status` shows those there are.")
        if batch.status != BuildStatus.READY:
            raise BadInput(f"batch {batch_id} is not finished: `rounds worker` draws what is missing.")
        images = session.scalars(select(Image).where(Image.batch_id == batch_id).order_by(Image.batch_index)).all()
        first = images[0]
        shape = (first.height, first.width, first.channels, first.bits)
        train = real_references(session, Split.TRAIN, shape)
        validation = real_references(session, Split.VALIDATION, shape)
        seen = select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == batch.generator_id)
        generator_images = session.scalar(select(func.count()).select_from(seen.subquery())) or 0
        here = select(func.count()).select_from(Image).where(is_ready_real(), Image.pixel_sha256.in_(seen))
        generator_images_here = session.scalar(here) or 0
    if not train:
        raise BadInput(
            f"no real training image of {first.height}x{first.width}x{first.channels}, {first.bits} bit, to screen "
            f"batch {batch_id} against. Import the images its generator is meant for."
        )
    return Inputs(batch, images, train, validation, generator_images, generator_images_here)


def _duplicates(features: Features, below: float) -> list[Check]:
    """Of images too close to each other the first stays; the later ones are flagged, exact repeats blocked."""
    threshold = f"not below {below:.4g}"
    if len(features) < 2:
        return [Check("duplicate", 2.0, threshold, "pass") for _ in features]
    found = nearest(features, features, k=1, skip_self=True)
    checks = []
    for own, (distance, other) in enumerate(
        zip(found.distances[:, 0].tolist(), found.positions[:, 0].tolist(), strict=True)
    ):
        verdict = "pass"
        if distance < below and other < own:
            verdict = "block" if distance < 1e-6 else "flag"
        checks.append(Check("duplicate", distance, threshold, verdict))
    return checks


def _copies(
    batch: Features, train: Features, references: Sequence[Reference], gate: CopyGate, checks: list[list[Check]]
) -> list[list[dict[str, Any]]]:
    """Add the near-copy check to each image; returns its nearest training images for those who may see them."""
    k = min(NEIGHBOURS, len(references))
    found = nearest(batch, train, k=k)
    threshold = f"not below {gate.distance:.4g}, or {gate.ratio:.2f} of the second nearest"
    for own, verdict, distance in zip(
        checks, gate.verdicts(found.distances[:, :2]), found.distances[:, 0], strict=True
    ):
        own.append(Check("near_copy", float(distance), threshold, verdict))
    return [
        [
            {"image_id": references[position].image_id, "distance": round(float(distance), 6)}
            for position, distance in zip(positions, distances, strict=True)
        ]
        for positions, distances in zip(found.positions.tolist(), found.distances.tolist(), strict=True)
    ]


def _worst(checks: Sequence[Check]) -> str:
    return max((check.verdict for check in checks), key=SEVERITY.index)


def _save(
    project: Project,
    inputs: Inputs,
    parameters: dict[str, Any],
    checks: Sequence[Sequence[Check]],
    neighbours: Sequence[list[dict[str, Any]]],
    now: datetime,
) -> None:
    """Everything in one transaction: a screening is there whole or not at all."""
    digest = digest_of(parameters)
    with project.database.write() as session:
        known = select(Screening.id).where(Screening.batch_id == inputs.batch.id, Screening.parameters_digest == digest)
        if session.scalars(known).first() is not None:
            return
        screening = Screening(
            batch_id=inputs.batch.id,
            parameters=parameters,
            parameters_digest=digest,
            status=BuildStatus.READY,
            created_at=now,
        )
        session.add(screening)
        session.flush()
        verdicts = [
            {
                "screening_id": screening.id,
                "image_id": image.id,
                "verdict": ScreeningVerdict(_worst(own)),
                "neighbours": near,
            }
            for image, own, near in zip(inputs.images, checks, neighbours, strict=True)
        ]
        rows = [
            {
                "screening_id": screening.id,
                "image_id": image.id,
                "name": check.name,
                "value": check.value,
                "threshold": check.threshold,
                "verdict": ScreeningVerdict(check.verdict),
            }
            for image, own in zip(inputs.images, checks, strict=True)
            for check in own
        ]
        for table, values in ((ScreenedImage, verdicts), (ScreeningCheck, rows)):
            for start in range(0, len(values), CHUNK):
                session.execute(insert(table), values[start : start + CHUNK])
        project.chain.record(session, "batch.screened", {"batch": inputs.batch.id, "screening": screening.id}, now)
