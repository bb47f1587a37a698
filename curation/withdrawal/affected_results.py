"""Find error rates, measurements and pair lists that rest on withdrawn subjects.

No row lists the subjects it rests on; they follow from when it was begun. Error rates and measures read every real
training and validation image of one shape, and the images of a set rest on what their generators saw. In doubt (an
import under way, a worklist with images of several batches) the subject counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias

from sqlalchemy import Select, Subquery, literal, or_, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.queries import SHAPE
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, Origin, Shape, Split, Subject
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair
from curation.tables.reading import Purpose, Worklist, WorklistItem
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal

Counts: TypeAlias = dict[int, int]  # the id of a report, a measurement or a list: on how many such subjects it rests

MEASURED_ON = (Split.TRAIN, Split.VALIDATION)


def withdrawn_subjects_note(count: int) -> str | None:
    """Note how many withdrawn subjects a result rests on; None for none."""
    return f"rests on withdrawn subjects ({count})" if count else None


@dataclass(frozen=True, slots=True)
class WithdrawnSubjects:
    """Withdrawn subjects: `images` (image, subject) shows them, `batches` (batch, subject) descend from them."""

    images: Subquery
    batches: Subquery

    @classmethod
    def recorded(cls) -> Self:
        """Take every subject that was withdrawn."""
        return cls(_reached(AffectedKind.IMAGE).subquery(), _reached(AffectedKind.BATCH).subquery())

    @classmethod
    def planned(cls, descent: Descent) -> Self:
        """Take the one subject whose withdrawal is planned."""
        subject = literal(descent.subject.id).label("subject")
        batch_ids = [batch.id for batch in descent.batches]
        images = select(Image.id.label("target"), subject).where(Image.id.in_(descent.removed))
        batches = select(Batch.id.label("target"), subject).where(Batch.id.in_(batch_ids))
        return cls(images.subquery(), batches.subquery())


def _reached(kind: AffectedKind) -> Select[int, int]:
    query = select(Affected.target_id.label("target"), Withdrawal.subject_id.label("subject"))
    return query.join(Withdrawal, Withdrawal.id == Affected.withdrawal_id).where(Affected.kind == kind)


@dataclass(frozen=True, slots=True)
class _WithdrawnImage:
    """A training or validation image of a withdrawn subject: in the project from `since` to `until`."""

    subject: int
    since: datetime
    until: datetime | None
    shape: Shape

    def was_read(self, at: datetime, shapes: set[Shape]) -> bool:
        return self.shape in shapes and self.since <= at and (self.until is None or at <= self.until)


def check_reports_on(session: Session, withdrawn: WithdrawnSubjects) -> Counts:
    """Count the withdrawn subjects among the real images that each report of error rates read."""
    images = _real_images(session, withdrawn)
    if not images:
        return {}
    query = select(CheckReport.id, CheckReport.created_at, CheckReport.parameters)
    rows = session.execute(query.where(CheckReport.status == BuildStatus.READY)).all()
    shapes = {row.id: {tuple(row.parameters["shape"])} for row in rows}
    return _count_subjects({row.id: _subjects_read(images, row.created_at, shapes[row.id]) for row in rows})


def measurements_on(session: Session, withdrawn: WithdrawnSubjects) -> Counts:
    """Count the withdrawn subjects behind each measurement: its real images, and what the generators of its set saw."""
    images, subjects_of_batch = _real_images(session, withdrawn), _subjects_by_batch(session, withdrawn)
    if not images and not subjects_of_batch:
        return {}
    query = select(SetMeasurement.id, SetMeasurement.created_at, SetMeasurement.request)
    subjects: dict[int, set[int]] = {}
    for row in session.execute(query.where(SetMeasurement.status == BuildStatus.READY)).all():
        batches = set(session.scalars(_batches_of(row.request, row.created_at)))
        through = set().union(*(subjects_of_batch[batch] for batch in batches & subjects_of_batch.keys()))
        subjects[row.id] = _subjects_read(images, row.created_at, _shapes_of(session, batches)) | through
    return _count_subjects(subjects)


def pair_lists_on(session: Session, withdrawn: WithdrawnSubjects) -> Counts:
    """Count the withdrawn subjects that each list of pairs shows, itself or by images of a generator that saw them."""
    sides = (Pair.first_image_id, Pair.second_image_id)
    images, batches = withdrawn.images, withdrawn.batches
    shown = select(Pair.pair_list_id, images.c.subject).join(images, or_(*(side == images.c.target for side in sides)))
    generated = (
        select(Pair.pair_list_id, batches.c.subject)
        .join(Image, Image.id.in_(sides))
        .join(batches, batches.c.target == Image.batch_id)
    )
    subjects: dict[int, set[int]] = defaultdict(set)
    for query in (shown, generated):
        for pair_list, subject in session.execute(query.distinct()):
            subjects[pair_list].add(subject)
    return _count_subjects(subjects)


def _count_subjects(subjects_by_id: Mapping[int, set[int]]) -> Counts:
    return {key: len(subjects) for key, subjects in subjects_by_id.items() if subjects}


def _subjects_read(images: Iterable[_WithdrawnImage], at: datetime, shapes: set[Shape]) -> set[int]:
    return {image.subject for image in images if image.was_read(at, shapes)}


def _real_images(session: Session, withdrawn: WithdrawnSubjects) -> list[_WithdrawnImage]:
    query = (
        select(Image, Subject)
        .join(withdrawn.images, withdrawn.images.c.target == Image.id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(Image.origin == Origin.REAL, Subject.split.in_(MEASURED_ON))
    )
    return [
        _WithdrawnImage(subject.id, image.created_at, subject.withdrawn_at, image.shape)
        for image, subject in session.execute(query)
    ]


def _subjects_by_batch(session: Session, withdrawn: WithdrawnSubjects) -> dict[int, set[int]]:
    subjects: dict[int, set[int]] = defaultdict(set)
    for batch, subject in session.execute(select(withdrawn.batches.c.target, withdrawn.batches.c.subject)):
        subjects[batch].add(subject)
    return subjects


def _shapes_of(session: Session, batches: set[int]) -> set[Shape]:
    """Find the shapes of the images of a measured set: one, unless another batch was being generated meanwhile."""
    query = select(*SHAPE).where(Image.batch_id.in_(batches)).distinct()
    return {(height, width, channels, bits) for height, width, channels, bits in session.execute(query)}


def _batches_of(request: Mapping[str, Any], at: datetime) -> Select[Any]:
    """Select the batches whose images a measurement was of."""
    if request["batches"]:
        return select(Batch.id).where(Batch.id.in_(request["batches"]))
    if request["images"] == "raw":
        return select(Batch.id).where(Batch.created_at <= at)
    of_image = select(Image.batch_id).where(Image.batch_id.is_not(None)).distinct()
    if request["images"] == "snapshot":
        of_image = of_image.join(SnapshotItem, SnapshotItem.image_id == Image.id)
        named = select(Snapshot.id).where(Snapshot.name == request["snapshot"])
        return of_image.where(SnapshotItem.snapshot_id.in_(named))
    of_image = of_image.join(WorklistItem, WorklistItem.image_id == Image.id)
    of_image = of_image.where(WorklistItem.purpose == Purpose.CANDIDATE)
    named = select(Worklist.id).where(Worklist.name.in_(request["worklists"]))
    return of_image.where(WorklistItem.worklist_id.in_(named)) if request["worklists"] else of_image
