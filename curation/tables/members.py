"""The members of a row that its event covers: images of an import or a batch, items of a list.

The event of a row with members keeps digests of them too, each over one member, or over some where there are thousands.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.tables.column_types import as_stored
from curation.tables.content import IMAGE, IMAGE_FACTS, ITEM, SNAPSHOT_ITEM, SUBJECT, Values, json_values, values_of
from curation.tables.generation import ScreenedImage, ScreeningCheck
from curation.tables.images import Image, ImageCaption, ImageLabel, Label, Mask, Subject
from curation.tables.reading import WorklistItem
from curation.tables.training import SnapshotItem

CHUNK = 500  # rows at a time


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a row; `facts` are what a withdrawal clears of an image."""

    id: int
    values: Any
    facts: Values | None = None


@dataclass(frozen=True, slots=True)
class MemberTable:
    """The members of the rows of a table: what one is called, in which table, and how they are read."""

    what: str
    parent: InstrumentedAttribute[Any]
    read: Callable[[Session, int], Iterator[Member]]

    def count(self, session: Session, parent_id: int) -> int:
        """Count the members of a row; the copies of an image in a snapshot count each."""
        return session.scalar(select(func.count()).where(self.parent == parent_id)) or 0


def read_images(session: Session, which: ColumnElement[bool]) -> list[Member]:
    """Read images with their subject, masks, labels and captions; the caller keeps them few."""
    images = select(Image.id, *(as_stored(getattr(Image, name)) for name in (*IMAGE, *IMAGE_FACTS))).where(which)
    rows = session.execute(images.order_by(Image.id)).all()
    subjects = select(Image.id, *(as_stored(getattr(Subject, name)) for name in SUBJECT)).join(
        Subject, Subject.id == Image.subject_id
    )
    of_image = {row.id: values_of(SUBJECT, row) for row in session.execute(subjects.where(which))}
    masks = _listed(
        session, select(Mask.image_id, Mask.name, Mask.file_sha256).join(Image, Image.id == Mask.image_id).where(which)
    )
    named = select(ImageLabel.image_id, Label.name, ImageLabel.source, ImageLabel.value)
    labels = _listed(session, named.join(Label, Label.id == ImageLabel.label_id).join(ImageLabel.image).where(which))
    written = select(ImageCaption.image_id, ImageCaption.text).join(Image, Image.id == ImageCaption.image_id)
    captions = {image_id: {"caption": text} for image_id, text in session.execute(written.where(which))}
    return [
        Member(
            row.id,
            json_values(IMAGE, row[1:]) | {"subject": of_image.get(row.id), "masks": masks.get(row.id)},
            json_values(IMAGE_FACTS, row[1 + len(IMAGE) :]) | {"labels": labels.get(row.id)} | captions.get(row.id, {}),
        )
        for row in rows
    ]


def _listed(session: Session, query: Any) -> dict[int, list[list[Any]]]:
    """Gather what hangs on each image, in an order that no database decides."""
    listed: dict[int, list[list[Any]]] = {}
    for image_id, *values in session.execute(query):
        listed.setdefault(image_id, []).append(values)
    return {image_id: sorted(values) for image_id, values in listed.items()}


def _in_chunks(column: InstrumentedAttribute[Any], parent: InstrumentedAttribute[Any]) -> Callable[..., Any]:
    """Make a reader of the spans of ids that hold the members of a row, at most so many each."""

    def spans(session: Session, parent_id: int) -> Iterator[ColumnElement[bool]]:
        last = 0
        while True:
            ids = select(column).where(parent == parent_id, column > last).distinct().order_by(column).limit(CHUNK)
            span = session.scalars(ids).all()
            if not span:
                return
            yield column.between(span[0], span[-1]) & (parent == parent_id)
            last = span[-1]

    return spans


def images_of(parent: InstrumentedAttribute[Any]) -> Callable[[Session, int], Iterator[Member]]:
    """Make a reader of the images of a row in this column."""
    spans = _in_chunks(Image.id, parent)

    def read(session: Session, parent_id: int) -> Iterator[Member]:
        for span in spans(session, parent_id):
            yield from read_images(session, span)

    return read


def items_of(session: Session, worklist_id: int) -> Iterator[Member]:
    """Read the items of a worklist, each with the picture that it shows: a control's may be damaged on purpose."""
    shown = (Image.origin, Image.file_sha256, Image.pixel_sha256)
    query = select(WorklistItem.id, *(as_stored(getattr(WorklistItem, name)) for name in ITEM), *shown)
    query = query.join(Image, Image.id == WorklistItem.image_id)
    for span in _in_chunks(WorklistItem.id, WorklistItem.worklist_id)(session, worklist_id):
        for row in session.execute(query.where(span).order_by(WorklistItem.id)):
            yield Member(row.id, values_of((*ITEM, "origin", "file_sha256", "pixel_sha256"), row))


def snapshot_items(session: Session, snapshot_id: int) -> Iterator[Member]:
    """Read the images of a snapshot, each with all its copies."""
    query = select(SnapshotItem.image_id, *(as_stored(getattr(SnapshotItem, name)) for name in SNAPSHOT_ITEM))
    for span in _in_chunks(SnapshotItem.image_id, SnapshotItem.snapshot_id)(session, snapshot_id):
        rows = session.execute(query.where(span).order_by(SnapshotItem.image_id, SnapshotItem.copy))
        for image_id, copies in groupby(rows, key=lambda row: row.image_id):
            yield Member(image_id, [values_of(SNAPSHOT_ITEM, row) for row in copies])


def screened_images(session: Session, screening_id: int) -> Iterator[Member]:
    """Read the images of a screening, each with its verdict, its neighbours and every check."""
    columns = (ScreeningCheck.image_id, ScreeningCheck.name, ScreeningCheck.value, ScreeningCheck.threshold)
    images = select(ScreenedImage.image_id, as_stored(ScreenedImage.verdict), as_stored(ScreenedImage.neighbours))
    for span in _in_chunks(ScreenedImage.image_id, ScreenedImage.screening_id)(session, screening_id):
        rows = session.execute(images.where(span).order_by(ScreenedImage.image_id)).all()
        checked = select(*columns, ScreeningCheck.verdict).where(
            ScreeningCheck.screening_id == screening_id,
            ScreeningCheck.image_id.between(rows[0].image_id, rows[-1].image_id),
        )
        checks = _listed(session, checked)
        yield from (Member(row.image_id, [row.verdict, row.neighbours, checks.get(row.image_id)]) for row in rows)
