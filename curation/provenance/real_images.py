"""Which real images count: those whose import is whole and whose subject has not been withdrawn."""

from sqlalchemy import ColumnElement, and_, select

from curation.tables.images import BuildStatus, Image, Import, Origin


def is_ready_real() -> ColumnElement[bool]:
    """The condition on `Image` that leaves out what an unfinished import has written so far, and what was withdrawn."""
    ready = select(Import.id).where(Import.status == BuildStatus.READY)
    return and_(Image.origin == Origin.REAL, Image.import_id.in_(ready), Image.withdrawn_at.is_(None))
