"""The newest batches: how far they are, and their newest images."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.status import state_of_batch
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """One generation batch: how many images are generated, and the digests of the newest."""

    batch_id: int
    generator: str
    counts: dict[str, int]
    status: BuildStatus
    state: str  # of its job, while it is not ready
    drawn: int
    size: int
    newest: list[str]


def batch_figures(session: Session, now: datetime, batches: int, previews: int) -> list[BatchFigures]:
    """The newest batches with their newest images; an image appears as soon as its row is committed."""
    newest = select(Batch, Generator.name).join(Generator, Batch.generator_id == Generator.id).order_by(Batch.id.desc())
    rows = session.execute(newest.limit(batches))
    return [_figures_of_batch(session, now, batch, name, previews) for batch, name in rows]


def _figures_of_batch(session: Session, now: datetime, batch: Batch, generator: str, previews: int) -> BatchFigures:
    drawn = session.scalar(select(func.count()).select_from(Image).where(Image.batch_id == batch.id)) or 0
    kept = select(Image.file_sha256).where(Image.batch_id == batch.id, Image.withdrawn_at.is_(None))
    newest = session.scalars(kept.order_by(Image.batch_index.desc()).limit(previews))
    counts = {str(label): int(count) for label, count in batch.request.get("counts", {}).items()}
    state = state_of_batch(session, now, batch)
    return BatchFigures(batch.id, generator, counts, batch.status, state, drawn, batch.size, list(newest))
