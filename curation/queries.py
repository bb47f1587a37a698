"""Conditions, subqueries and look-ups that several rooms share, and lists cut to what a query takes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.tables.generation import PRIVACY_CHECKS, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, ImageLabel, Label, Mask, Shape
from curation.tables.operations import Event

CHUNK = 500  # values in one condition, or rows in one statement
SHAPE = (Image.height, Image.width, Image.channels, Image.bits)
VALUE_SCALE = (Image.bits, Image.rescale_slope, Image.rescale_intercept, Image.signed_offset, Image.value_unit)


def has_shape(shape: Shape) -> ColumnElement[bool]:
    """Whether an `Image` is of this shape."""
    return and_(*(column == value for column, value in zip(SHAPE, shape, strict=True)))


def is_positive(source: str, label: type[ImageLabel] = ImageLabel) -> ColumnElement[bool]:
    """Whether an `ImageLabel` says, by `source`, that the image shows the class."""
    return and_(label.source == source, label.value >= 0.5)


def class_asked(image_id: InstrumentedAttribute[int]) -> ScalarSelect[str]:
    """The class that the image was asked to show, the first by name of several; NULL for a real one."""
    return (
        select(func.min(Label.name))
        .join(ImageLabel, ImageLabel.label_id == Label.id)
        .where(ImageLabel.image_id == image_id, is_positive("request"))
        .scalar_subquery()
    )


def newest_screenings() -> Select[int]:
    """The id of the newest finished screening of each batch."""
    return select(func.max(Screening.id)).where(Screening.status == BuildStatus.READY).group_by(Screening.batch_id)


def find_or_add_labels(session: Session, names: set[str]) -> dict[str, int]:
    """The id of the label of each name; a name that the project does not know yet is added."""
    ids = {label.name: label.id for label in session.scalars(select(Label).where(Label.name.in_(names)))}
    for name in sorted(names - ids.keys()):
        try:
            with session.begin_nested():
                label = Label(name=name)
                session.add(label)
        except IntegrityError:  # on PostgreSQL another worker may have added it meanwhile
            label = session.scalars(select(Label).where(Label.name == name)).one()
        ids[name] = label.id
    return ids


def blocked_for_privacy() -> Select[int]:
    """The ids of images that any screening blocked as near copies of training images."""
    is_blocked = ScreeningCheck.verdict == ScreeningVerdict.BLOCK
    return select(ScreeningCheck.image_id).where(ScreeningCheck.name.in_(PRIVACY_CHECKS), is_blocked)


def unused_number(session: Session, table: Any, thing: str, removed_with: str | None = None) -> int | None:
    """The number for a new row of a table from which `rounds ... remove` removes rows: never one that an event names.

    A thing that goes together with another one stands under its plural in the event of that removal. SQLite gives the
    number of a removed last row to the next one, PostgreSQL never does: None leaves it the choice.
    """
    if session.get_bind().dialect.name != "sqlite":
        return None
    removed = session.scalars(select(Event.payload).where(Event.kind == f"{removed_with or thing}.removed"))
    numbers: list[int] = [
        number for payload in removed for number in (payload.get(thing, 0), *payload.get(f"{thing}s", ()))
    ]
    return max(session.scalar(select(func.max(table.id))) or 0, *numbers, 0) + 1


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """Split `values` into lists of at most `size`."""
    remaining = iter(values)
    while chunk := list(islice(remaining, size)):
        yield chunk


def files_among(session: Session, digests: Sequence[str], which: ColumnElement[bool]) -> set[str]:
    """Find those of the digests that are stored files of such images, or of their masks."""
    images = select(Image.file_sha256).where(Image.file_sha256.in_(digests), which)
    masks = select(Mask.file_sha256).join(Image, Image.id == Mask.image_id)
    return {*session.scalars(images), *session.scalars(masks.where(Mask.file_sha256.in_(digests), which))}
