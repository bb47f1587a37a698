"""Which real images count: their import is finished and their subject is not withdrawn."""

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from curation.tables.images import BuildStatus, Image, Import, Origin


def is_ready_real() -> ColumnElement[bool]:
    """Build the condition on `Image` that leaves out unfinished imports and withdrawn subjects."""
    ready = select(Import.id).where(Import.status == BuildStatus.READY)
    return and_(Image.origin == Origin.REAL, Image.import_id.in_(ready), Image.withdrawn_at.is_(None))


def longest_side(session: Session) -> int | None:
    """The longest side of a real image in pixels; None where there is none."""
    height, width = session.execute(select(func.max(Image.height), func.max(Image.width)).where(is_ready_real())).one()
    return max(height, width) if height and width else None
