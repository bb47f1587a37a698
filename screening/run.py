"""Screen a batch: every image gets pass, flag or block, every check its value and its threshold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from curation.audit import MEMBERS
from curation.digests import digest_of
from curation.errors import BadInput, NotFound
from curation.jobs import utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.queries import unused_number
from curation.tables.generation import (
    Batch,
    GeneratorPixels,
    ScreenedImage,
    Screening,
    ScreeningCheck,
    ScreeningVerdict,
)
from curation.tables.images import BuildStatus, Image, Split
from screening.checks.artefacts import false_alarms
from screening.checks.check import Check, Unset, worst
from screening.checks.duplicates import (
    Earlier,
    add_earlier,
    duplicate_distance,
    earlier_images,
    find_duplicates,
    find_earlier,
)
from screening.checks.fitted import FITTED_CHECKS, References, Thresholds, distribution, false_flags
from screening.copies.aligned_search import AlignedSearch
from screening.copies.find import CopyDescriptors, Neighbours, find_copies, search_file
from screening.copies.thumbnails import thumbnail_file
from screening.features.backbone import load_backbone
from screening.features.descriptors import DescriptorFiles, Descriptors, Floats
from screening.references import Reference, classes_asked, real_references
from train.backbones.load import Backbone
from train.backbones.provenance import backbone_facts

CHUNK = 1_000
# Raised whenever equal images could get another verdict: part of what makes a screening the same one.
METHOD = "screening/10"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a screening: the images of the batch, and the real ones of the same shape."""

    batch: Batch
    images: Sequence[Image]
    train: Sequence[Reference]
    validation: Sequence[Reference]
    asked: list[str | None]
    earlier: Earlier
    generator_images: int
    generator_images_here: int


def run_screening_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued screening."""
    screen_batch(project, int(payload["batch"]), utc_now(), report)


def screen_batch(
    project: Project, batch_id: int, now: datetime, report: OnProgress, backbone_path: str | None = None
) -> dict[str, int]:
    """Check every image of a finished batch; returns counts by verdict. Under equal thresholds it is done once.

    A check for which there are too few real images flags every image and says so. Raises NotFound for an unknown
    batch, BadInput for an unfinished one.
    """
    inputs = _inputs(project, batch_id)
    backbone = load_backbone(project, backbone_path)
    files = DescriptorFiles.of(project, backbone)
    train_files = [reference.file_sha256 for reference in inputs.train]
    train = files.descriptors(inputs.train, [reference.label for reference in inputs.train], report)
    held_out = [reference.file_sha256 for reference in inputs.validation]
    validation = files.descriptors(inputs.validation, [reference.label for reference in inputs.validation], report)
    drawn_files = [image.file_sha256 for image in inputs.images]
    drawn = files.descriptors(inputs.images, inputs.asked, report)
    report(0, len(inputs.images), "checks")
    references = References.fit(train, [reference.subject_id for reference in inputs.train])
    real = references.values(validation)
    thresholds = Thresholds.fit(references.ranges, real)
    checks = thresholds.judge(references.values(drawn), inputs.asked)
    thumbs = thumbnail_file(project.directory("embeddings"))
    sets = {"train": (train, train_files), "validation": (validation, held_out), "batch": (drawn, drawn_files)}
    described = {
        name: CopyDescriptors(facts.features, facts.prints, thumbs.rows(project.store, digests, report))
        for name, (facts, digests) in sets.items()
    }

    def kept_distances(search: AlignedSearch) -> Floats:
        file = search_file(thumbs.directory, train_files, [reference.subject_id for reference in inputs.train], search)
        return file.features(project.store, held_out, report)

    copies = find_copies(described, inputs.train, inputs.validation, checks, kept_distances, report)
    below = duplicate_distance(validation.prints, train.prints)
    find_duplicates(drawn.prints, drawn_files, below, checks)
    pixels = [image.pixel_sha256 for image in inputs.images]
    twins = find_earlier(
        project.database, inputs.earlier, drawn.prints, pixels, lambda portion: files.prints(portion, report)
    )
    add_earlier(twins, below, checks)
    parameters = {
        **_basis(inputs, backbone),
        "manifold_sees": "parts" if train.grid.shape[1] else "whole images",
        **_of_checks(references, thresholds, validation, real, inputs),
        **{name: gate.as_json() for name, gate in copies.gates.items()},
        "validation_copies_of_training": copies.validation_copies,
        "duplicate_below": None if isinstance(below, Unset) else below,
    }
    _save(project, inputs, parameters, checks, copies.neighbours, now)
    report(len(inputs.images), len(inputs.images), None)
    return dict(Counter(worst(image_checks) for image_checks in checks))


def _basis(inputs: Inputs, backbone: Backbone) -> dict[str, Any]:
    """The method, the backbone and the counts that a screening rests on."""
    return {
        "method": METHOD,
        **backbone_facts(backbone),
        "real_training_images": len(inputs.train),
        "real_validation_images": len(inputs.validation),
        "earlier_batches": inputs.earlier.batches,
        "earlier_images": inputs.earlier.images,
        "generator_images": inputs.generator_images,
        "generator_images_compared": inputs.generator_images_here,
    }


def _of_checks(
    references: References, thresholds: Thresholds, validation: Descriptors, real: dict[str, Floats], inputs: Inputs
) -> dict[str, Any]:
    """The thresholds, and their verdicts on real images that set none of them."""
    subjects = [reference.subject_id for reference in inputs.validation]
    return {
        "ranges": {name: threshold.as_json() for name, threshold in references.ranges.items()},
        "limits": {name: thresholds.by_name[name].as_json() for name in FITTED_CHECKS},
        "ranges_on_validation": false_alarms(references.ranges, validation.measures),
        "flags_on_validation": false_flags(references.ranges, real, validation.labels, subjects),
        "real_values": {name: distribution(values) for name, values in real.items()},
        "label_probe": references.probe_as_json(validation),
    }


def _inputs(project: Project, batch_id: int) -> Inputs:
    with project.database.read() as session:
        batch = session.get(Batch, batch_id)
        if batch is None:
            raise NotFound(f"there is no batch {batch_id}. `rounds status` shows those there are.")
        if batch.status != BuildStatus.READY:
            raise BadInput(f"batch {batch_id} is not finished: `rounds worker` generates what is missing.")
        kept = select(Image).where(Image.batch_id == batch_id, Image.withdrawn_at.is_(None))
        images = session.scalars(kept.order_by(Image.batch_index)).all()
        if not images:
            raise BadInput(f"every image of batch {batch_id} was withdrawn: there is nothing to check.")
        shape = images[0].shape
        seen = select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == batch.generator_id)
        here = select(func.count(Image.pixel_sha256.distinct())).where(is_ready_real(), Image.pixel_sha256.in_(seen))
        return Inputs(
            batch=batch,
            images=images,
            train=real_references(session, Split.TRAIN, shape),
            validation=real_references(session, Split.VALIDATION, shape),
            asked=classes_asked(session, batch_id),
            earlier=earlier_images(session, batch_id, shape),
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
    """Save everything in one transaction, so that a screening is whole or absent."""
    digest = digest_of(parameters)
    with project.database.write() as session:
        known = select(Screening.id).where(Screening.batch_id == inputs.batch.id, Screening.parameters_digest == digest)
        if session.scalars(known).first() is not None:
            return
        if session.get(Batch, inputs.batch.id) is None:
            raise NotFound(f"batch {inputs.batch.id} was removed while it was screened.")
        screening = Screening(
            id=unused_number(session, Screening, "screening", removed_with="batch"),
            batch_id=inputs.batch.id,
            parameters=parameters,
            parameters_digest=digest,
            status=BuildStatus.READY,
            created_at=now,
        )
        session.add(screening)
        session.flush()
        images = [{"screening_id": screening.id, "image_id": image.id} for image in inputs.images]
        verdicts = [
            {**of_image, "verdict": ScreeningVerdict(worst(image_checks)), "neighbours": near}
            for of_image, image_checks, near in zip(images, checks, neighbours, strict=True)
        ]
        rows = [
            {**of_image, **asdict(check), "verdict": ScreeningVerdict(check.verdict)}
            for of_image, image_checks in zip(images, checks, strict=True)
            for check in image_checks
        ]
        for table, values in ((ScreenedImage, verdicts), (ScreeningCheck, rows)):
            for start in range(0, len(values), CHUNK):
                session.execute(insert(table), values[start : start + CHUNK])
        payload = {"batch": inputs.batch.id, MEMBERS: project.chain.members(session, Screening, screening.id)}
        project.chain.record_row(session, "batch.screened", screening, payload, now)
