"""Conditions, subqueries and look-ups that several rooms share."""

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.tables.generation import Screening
from curation.tables.images import BuildStatus, Image, ImageLabel, Label, Shape

SHAPE = (Image.height, Image.width, Image.channels, Image.bits)


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
