"""The images of a measurement: generated ones with outcomes and settings, real ones by split."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, Conflict
from curation.provenance.real_images import is_ready_real
from curation.queries import is_positive
from curation.reading.outcome_rule import Decision
from curation.reading.outcomes import decisions_of
from curation.reading.worklist import find_worklist
from curation.snapshots.build import find_snapshot
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Shape, Split, Subject
from curation.tables.reading import OutcomeVerdict, Worklist
from curation.tables.training import SnapshotItem
from screening.references import real_references
from screening.set_measures.request import MeasureRequest

SETTINGS = ("guidance_scale", "num_inference_steps", "sampler")


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A synthetic image: its class, its settings, its outcome, and whether it is measured."""

    image_id: int
    file_sha256: str
    pixel_sha256: str
    label: str
    settings: dict[str, str]
    verdict: OutcomeVerdict | None
    proxy_only: bool
    measured: bool


@dataclass(frozen=True, slots=True)
class RealImage:
    """A real image: its file, its subject, its class where it has exactly one, and what subgroups are made of."""

    image_id: int
    file_sha256: str
    pixel_sha256: str
    subject_id: int
    subject_key: str
    label: str | None
    covariates: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sets:
    """The images of a measurement and what the database says of them."""

    drawn: Sequence[DrawnImage]
    train: Sequence[RealImage]
    validation: Sequence[RealImage]
    shared_left_out: int
    generator_ids: tuple[int, ...]
    subjects_known: bool
    notice: str | None

    @property
    def measured(self) -> list[DrawnImage]:
        """The generated images that the measurement is about."""
        return [image for image in self.drawn if image.measured]


def find_sets(session: Session, request: MeasureRequest) -> Sets:
    """The images of `request`; raises NotFound, Conflict, or BadInput where there is nothing to measure."""
    decisions = _decisions(session, request.worklists)
    chosen = _chosen(session, request, decisions)
    images = _pool(session, request, chosen)
    measured = {image.id for image in images} if request.images == "raw" else chosen.keys()
    if not any(image.id in measured for image in images):
        raise BadInput(
            f"there is nothing to measure: no image is {request.name()}. `rounds status` shows what there is."
        )
    shape = _common_shape(images)
    labels = _labels(session, [image.id for image in images]) | {key: name for key, name in chosen.items() if name}
    batches = {batch.id: batch for batch in session.scalars(select(Batch).join(Generator))}
    drawn = [_drawn(image, labels, batches, decisions, image.id in measured) for image in images]
    train, validation = (_real(session, split, shape) for split in (Split.TRAIN, Split.VALIDATION))
    shared = {image.pixel_sha256 for image in train}
    held_out = [image for image in validation if image.pixel_sha256 not in shared]
    generators = {batches[image.batch_id].generator for image in images if image.batch_id and image.id in measured}
    return Sets(
        drawn=drawn,
        train=train,
        validation=held_out,
        shared_left_out=len(validation) - len(held_out),
        generator_ids=tuple(sorted(generator.id for generator in generators)),
        subjects_known=_subjects_known(session),
        notice=_notice(session, generators),
    )


def _decisions(session: Session, names: Sequence[str]) -> dict[int, Decision]:
    """The decisions of the worklists that count, by image; raises Conflict where two contradict."""
    every_worklist = session.scalars(select(Worklist).order_by(Worklist.id))
    worklists = [find_worklist(session, name) for name in names] or list(every_worklist)
    settled = (OutcomeVerdict.APPROVED, OutcomeVerdict.REJECTED)
    decision_by_image: dict[int, Decision] = {}
    for worklist in worklists:
        for image_id, decision in decisions_of(session, worklist).items():
            before = decision_by_image.get(image_id)
            if before is not None and {before.verdict, decision.verdict} == set(settled):
                raise Conflict(
                    f"image {image_id} is approved in one worklist and rejected in another. "
                    "Name the worklists that count with --worklist."
                )
            if before is None or decision.verdict in settled:
                decision_by_image[image_id] = decision
    return decision_by_image


def _chosen(session: Session, request: MeasureRequest, decisions: dict[int, Decision]) -> dict[int, str | None]:
    """The measured images with the class they stand for where it is another than asked for; none for `raw`."""
    if request.snapshot is not None:
        items = select(SnapshotItem.image_id, SnapshotItem.label).where(
            SnapshotItem.snapshot_id == find_snapshot(session, request.snapshot).id
        )
        return {image_id: label for image_id, label in session.execute(items)}
    verdicts = {"approved": OutcomeVerdict.APPROVED, "rejected": OutcomeVerdict.REJECTED}
    wanted = verdicts.get(request.images)
    return {key: decision.label for key, decision in decisions.items() if decision.verdict is wanted}


def _pool(session: Session, request: MeasureRequest, chosen: dict[int, str | None]) -> Sequence[Image]:
    """Every image of the finished batches that the measured images are from, or that were named."""
    of_batch = select(Image).join(Batch, Batch.id == Image.batch_id).where(Batch.status == BuildStatus.READY)
    if request.batches:
        of_batch = of_batch.where(Batch.id.in_(request.batches))
    every = session.scalars(of_batch.where(Image.withdrawn_at.is_(None)).order_by(Image.file_sha256, Image.id)).all()
    missing = sorted(set(request.batches) - {image.batch_id for image in every})
    if missing:
        raise BadInput(f"there is no finished batch {missing[0]} with images. `rounds status` shows those there are.")
    wanted = {image.batch_id for image in every if request.images == "raw" or image.id in chosen}
    return [image for image in every if image.batch_id in wanted]


def _common_shape(images: Sequence[Image]) -> Shape:
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise BadInput(f"expected images of one size and depth, got {len(shapes)} of them. Name batches of one shape.")
    return shapes.pop()


def _labels(session: Session, image_ids: Sequence[int]) -> dict[int, str]:
    query = (
        select(ImageLabel.image_id, Label.name)
        .join(Label, Label.id == ImageLabel.label_id)
        .join(Image, Image.id == ImageLabel.image_id)
        .where(is_positive("request"), Image.batch_id.is_not(None))
        .order_by(Label.name.desc())
    )
    wanted = set(image_ids)
    return {image_id: name for image_id, name in session.execute(query) if image_id in wanted}


def _drawn(
    image: Image, labels: dict[int, str], batches: dict[int, Batch], decisions: dict[int, Decision], measured: bool
) -> DrawnImage:
    decision = decisions.get(image.id)
    batch = batches[image.batch_id or 0]
    settings = {"generator": batch.generator.name, "batch": f"batch {batch.id}"}
    settings |= {name: str(batch.request[name]) for name in SETTINGS if name in batch.request}
    return DrawnImage(
        image_id=image.id,
        file_sha256=image.file_sha256,
        pixel_sha256=image.pixel_sha256,
        label=labels.get(image.id, "unlabelled"),
        settings=settings,
        verdict=decision.verdict if decision else None,
        proxy_only=bool(decision and decision.proxy_only),
        measured=measured,
    )


def _real(session: Session, split: Split, shape: Shape) -> list[RealImage]:
    """Real images of a split with all that is known of them; `real_references` refuses test subjects."""
    references = real_references(session, split, shape)
    facts = {
        image.id: (image.pixel_sha256, key, image.covariates or {})
        for image, key in session.execute(
            select(Image, Subject.key)
            .join(Subject, Subject.id == Image.subject_id)
            .where(is_ready_real(), Subject.split == split)
        )
    }
    return [
        RealImage(real.image_id, real.file_sha256, pixels, real.subject_id, key, real.label, covariates)
        for real in references
        for pixels, key, covariates in [facts[real.image_id]]
    ]


def _subjects_known(session: Session) -> bool:
    return all(session.scalars(select(Import.subjects_known).where(Import.status == BuildStatus.READY)))


def _notice(session: Session, generators: set[Generator]) -> str | None:
    notices = set(session.scalars(select(Import.notice).where(Import.notice.is_not(None))))
    notices |= {generator.card.get("notice") for generator in generators}
    return " ".join(sorted(notice for notice in notices if notice)) or None
