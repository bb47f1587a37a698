"""What was measured or judged on subjects that were withdrawn since: error rates, measures of sets, lists of pairs.

No row says which subjects it rests on; it follows from when it was begun. Error rates and measures read every real
training and validation image of one shape, and the images of a set rest on what their generators saw. Where that
leaves a doubt (an import that was going on, a worklist with images of several batches) the subject counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias

from sqlalchemy import Select, Subquery, literal, or_, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, Origin, Split, Subject
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair
from curation.tables.reading import Purpose, Worklist, WorklistItem
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal

Counts: TypeAlias = dict[int, int]  # the id of a report, a measurement or a list: on how many such subjects it rests
Shape: TypeAlias = tuple[int, ...]

MEASURED_ON = (Split.TRAIN, Split.VALIDATION)


def rests_on(count: int) -> str | None:
    """The words for it; None for none."""
    return f"rests on withdrawn subjects ({count})" if count else None


@dataclass(frozen=True, slots=True)
class Gone:
    """Subjects that are gone: `shown` (image, subject) their images, `drew` (batch, subject) what of them was drawn."""

    shown: Subquery
    drew: Subquery

    @classmethod
    def withdrawn(cls) -> Self:
        """Every subject that was withdrawn."""
        return cls(_reached(AffectedKind.IMAGE).subquery(), _reached(AffectedKind.BATCH).subquery())

    @classmethod
    def about_to(cls, descent: Descent) -> Self:
        """The one subject whose withdrawal is planned."""
        subject = literal(descent.subject.id).label("subject")
        shown = select(Image.id.label("target"), subject).where(Image.id.in_(descent.removed))
        drew = select(Batch.id.label("target"), subject).where(Batch.id.in_([one.id for one in descent.batches]))
        return cls(shown.subquery(), drew.subquery())


def _reached(kind: AffectedKind) -> Select[int, int]:
    query = select(Affected.target_id.label("target"), Withdrawal.subject_id.label("subject"))
    return query.join(Withdrawal, Withdrawal.id == Affected.withdrawal_id).where(Affected.kind == kind)


@dataclass(frozen=True, slots=True)
class _RealImage:
    """A training or validation image of a subject that is gone: there from `since`, and `until` it was withdrawn."""

    subject: int
    since: datetime
    until: datetime | None
    shape: Shape

    def was_read(self, at: datetime, shapes: set[Shape]) -> bool:
        return self.shape in shapes and self.since <= at and (self.until is None or at <= self.until)


def check_reports_on(session: Session, gone: Gone) -> Counts:
    """Reports of error rates, each with the number of such subjects among the real images of its shape."""
    images = _real_images(session, gone)
    if not images:
        return {}
    query = select(CheckReport.id, CheckReport.created_at, CheckReport.parameters)
    rows = session.execute(query.where(CheckReport.status == BuildStatus.READY)).all()
    return _counted({one.id: _read(images, one.created_at, {tuple(one.parameters["shape"])}) for one in rows})


def measurements_on(session: Session, gone: Gone) -> Counts:
    """Measurements of sets: their real images, and what the generators of the set saw."""
    images, drew = _real_images(session, gone), _drew(session, gone)
    if not images and not drew:
        return {}
    query = select(SetMeasurement.id, SetMeasurement.created_at, SetMeasurement.request)
    found = {}
    for one in session.execute(query.where(SetMeasurement.status == BuildStatus.READY)).all():
        batches = set(session.scalars(_batches_of(one.request, one.created_at)))
        through = set().union(*(drew[batch] for batch in batches & drew.keys()))
        found[one.id] = _read(images, one.created_at, _shapes_of(session, batches)) | through
    return _counted(found)


def pair_lists_on(session: Session, gone: Gone) -> Counts:
    """Lists of pairs that show such a subject, or an image of a generator that saw it."""
    sides = (Pair.first_image_id, Pair.second_image_id)
    shown = gone.shown
    own = select(Pair.pair_list_id, shown.c.subject).join(shown, or_(*(side == shown.c.target for side in sides)))
    drawn = (
        select(Pair.pair_list_id, gone.drew.c.subject)
        .join(Image, Image.id.in_(sides))
        .join(gone.drew, gone.drew.c.target == Image.batch_id)
    )
    found: dict[int, set[int]] = defaultdict(set)
    for query in (own, drawn):
        for listed, subject in session.execute(query.distinct()):
            found[listed].add(subject)
    return _counted(found)


def _counted(found: Mapping[int, set[int]]) -> Counts:
    return {key: len(subjects) for key, subjects in found.items() if subjects}


def _read(images: Iterable[_RealImage], at: datetime, shapes: set[Shape]) -> set[int]:
    return {one.subject for one in images if one.was_read(at, shapes)}


def _real_images(session: Session, gone: Gone) -> list[_RealImage]:
    query = (
        select(Image, Subject)
        .join(gone.shown, gone.shown.c.target == Image.id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(Image.origin == Origin.REAL, Subject.split.in_(MEASURED_ON))
    )
    return [
        _RealImage(subject.id, image.created_at, subject.withdrawn_at, _shape(image))
        for image, subject in session.execute(query)
    ]


def _shape(image: Image) -> Shape:
    return image.height, image.width, image.channels, image.bits


def _drew(session: Session, gone: Gone) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for batch, subject in session.execute(select(gone.drew.c.target, gone.drew.c.subject)):
        found[batch].add(subject)
    return found


def _shapes_of(session: Session, batches: set[int]) -> set[Shape]:
    """The shapes of the images of a measured set: one, unless another batch was being drawn meanwhile."""
    columns = select(Image.height, Image.width, Image.channels, Image.bits).distinct()
    return {tuple(row) for row in session.execute(columns.where(Image.batch_id.in_(batches)))}


def _batches_of(request: Mapping[str, Any], at: datetime) -> Select[Any]:
    """The batches whose images a measurement was of."""
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
