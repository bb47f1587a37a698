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
from curation.screening.artefacts import MEASURES, false_alarms, fit_ranges
from curation.screening.backbone import SHIPPED_BACKBONE, Backbone
from curation.screening.checks import Check, worst
from curation.screening.copies import Described, Neighbours, duplicate_distance, find_copies, find_duplicates
from curation.screening.feature_file import FeatureFile, split_pixel_facts
from curation.screening.neighbours import Features
from curation.screening.references import Reference, real_references

Report = Callable[[int, int, str | None], None]

CHUNK = 1_000
# Raised whenever equal images could get another verdict: part of what makes a screening the same one.
METHOD = "screening/5"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a screening reads before it begins: the batch's images and the real ones of the same shape."""

    batch: Batch
    images: Sequence[Image]
    train: Sequence[Reference]
    validation: Sequence[Reference]
    generator_images: int
    generator_images_here: int

    def digests(self) -> dict[str, list[str]]:
        """File digests of the three sets."""
        sets: dict[str, Sequence[Reference | Image]] = {
            "train": self.train,
            "validation": self.validation,
            "batch": self.images,
        }
        return {name: [one.file_sha256 for one in some] for name, some in sets.items()}


def run_screening_job(project: Project, payload: dict[str, Any], report: Report) -> None:
    """The worker's entry."""
    screen_batch(project, int(payload["batch"]), datetime.now(UTC), report)


def screen_batch(
    project: Project, batch_id: int, now: datetime, report: Report, backbone_path: str | None = None
) -> dict[str, int]:
    """Check every image of a finished batch; returns counts by verdict. Under equal thresholds it is done once.

    A check for which there are too few real images flags every image and says so. Raises NotFound for an unknown
    batch, BadInput for an unfinished one.
    """
    inputs = _inputs(project, batch_id)
    backbone = Backbone.load(backbone_path or SHIPPED_BACKBONE)
    embedded = _vectors(project, FeatureFile.of_backbone(project.directory("embeddings"), backbone), inputs, report)
    facts = _vectors(project, FeatureFile.of_pixels(project.directory("embeddings")), inputs, report)
    thumbs = _vectors(project, FeatureFile.of_thumbnails(project.directory("embeddings")), inputs, report)
    measured = {name: split_pixel_facts(some)[0] for name, some in facts.items()}
    prints = {name: split_pixel_facts(some)[1] for name, some in facts.items()}
    report(0, len(inputs.images), "checks")
    ranges = fit_ranges(measured["train"])
    checks = [
        [
            Check(name, value, str(ranges[name]), ranges[name].verdict(value))
            for name, value in zip(MEASURES, row, strict=True)
        ]
        for row in measured["batch"].tolist()
    ]
    described = {name: Described(embedded[name], prints[name], thumbs[name]) for name in facts}
    copies = find_copies(described, inputs.train, inputs.validation, checks)
    duplicates = duplicate_distance(prints["validation"], prints["train"])
    find_duplicates(prints["batch"], inputs.digests()["batch"], duplicates, checks)
    parameters = {
        "method": METHOD,
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "real_training_images": len(inputs.train),
        "real_validation_images": len(inputs.validation),
        "ranges": {name: one.as_json() for name, one in ranges.items()},
        "ranges_on_validation": false_alarms(ranges, measured["validation"]),
        **{name: gate.as_json() for name, gate in copies.gates.items()},
        "validation_copies_of_training": copies.validation_copies,
        "duplicate_below": duplicates,
        "generator_images": inputs.generator_images,
        "generator_images_compared": inputs.generator_images_here,
    }
    _save(project, inputs, parameters, checks, copies.neighbours, now)
    report(len(inputs.images), len(inputs.images), None)
    return dict(Counter(worst(one) for one in checks))


def _vectors(project: Project, file: FeatureFile, inputs: Inputs, report: Report) -> dict[str, Features]:
    return {name: file.features(project.store, some, report) for name, some in inputs.digests().items()}


def _inputs(project: Project, batch_id: int) -> Inputs:
    with project.database.read() as session:
        batch = session.get(Batch, batch_id)
        if batch is None:
            raise NotFound(f"there is no batch {batch_id}. `rounds status` shows those there are.")
        if batch.status != BuildStatus.READY:
            raise BadInput(f"batch {batch_id} is not finished: `rounds worker` draws what is missing.")
        kept = select(Image).where(Image.batch_id == batch_id, Image.withdrawn_at.is_(None))
        images = session.scalars(kept.order_by(Image.batch_index)).all()
        if not images:
            raise BadInput(f"every image of batch {batch_id} was withdrawn: there is nothing to check.")
        first = images[0]
        shape = (first.height, first.width, first.channels, first.bits)
        seen = select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == batch.generator_id)
        here = select(func.count(Image.pixel_sha256.distinct())).where(is_ready_real(), Image.pixel_sha256.in_(seen))
        return Inputs(
            batch=batch,
            images=images,
            train=real_references(session, Split.TRAIN, shape),
            validation=real_references(session, Split.VALIDATION, shape),
            generator_images=session.scalar(select(func.count()).select_from(seen.subquery())) or 0,
            generator_images_here=session.scalar(here) or 0,
        )


def _save(
    project: Project,
    inputs: Inputs,
    parameters: dict[str, Any],
    checks: Sequence[Sequence[Check]],
    neighbours: Sequence[Neighbours],
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
                "verdict": ScreeningVerdict(worst(own)),
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
