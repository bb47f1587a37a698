"""Summarise each worklist in one line: how far it is, and who has read."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.reading.worklist import state_of
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Outcome,
    OutcomeVerdict,
    ReaderCursor,
    Worklist,
    WorklistKind,
)


@dataclass(frozen=True, slots=True)
class WorklistSummary:
    """One line of `rounds worklist list`."""

    id: int
    name: str
    status: str
    images: int
    readers_per_image: int
    read_by_people: int
    read_by_proxies: int
    approved: int
    rejected: int


def list_worklists(session: Session) -> list[WorklistSummary]:
    """Summarise every worklist except practice."""
    worklists = select(Worklist).where(Worklist.kind != WorklistKind.PRACTICE).order_by(Worklist.id)
    return [_worklist_summary(session, worklist) for worklist in session.scalars(worklists)]


def _worklist_summary(session: Session, worklist: Worklist) -> WorklistSummary:
    readings = dict(
        session.execute(
            select(Reader.kind, func.sum(ReaderCursor.done))
            .join(ReaderCursor, ReaderCursor.reader_id == Reader.id)
            .where(ReaderCursor.worklist_id == worklist.id)
            .group_by(Reader.kind)
        ).all()
    )
    outcomes = dict(
        session.execute(
            select(Outcome.verdict, func.count()).where(Outcome.worklist_id == worklist.id).group_by(Outcome.verdict)
        ).all()
    )
    return WorklistSummary(
        id=worklist.id,
        name=worklist.name,
        status=state_of(worklist),
        images=worklist.size,
        readers_per_image=worklist.readers_per_image,
        read_by_people=int(readings.get(ReaderKind.HUMAN) or 0),
        read_by_proxies=int(readings.get(ReaderKind.PROXY) or 0),
        approved=outcomes.get(OutcomeVerdict.APPROVED, 0),
        rejected=outcomes.get(OutcomeVerdict.REJECTED, 0),
    )
