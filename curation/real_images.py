"""Which real images count: those whose import is whole."""

from sqlalchemy import ColumnElement, and_, select

from curation.models.images import BuildStatus, Image, Import, Origin


def is_ready_real() -> ColumnElement[bool]:
    """The condition on `Image` that leaves out whatever an unfinished import has written so far."""
    ready = select(Import.id).where(Import.status == BuildStatus.READY)
    return and_(Image.origin == Origin.REAL, Image.import_id.in_(ready))
