"""The condition for a real image that counts: its import is finished and its subject is not withdrawn."""

from sqlalchemy import ColumnElement, and_, select

from curation.tables.images import BuildStatus, Image, Import, Origin


def is_ready_real() -> ColumnElement[bool]:
    """Build the condition on `Image` that leaves out unfinished imports and withdrawn subjects."""
    ready = select(Import.id).where(Import.status == BuildStatus.READY)
    return and_(Image.origin == Origin.REAL, Image.import_id.in_(ready), Image.withdrawn_at.is_(None))
