"""Summarise each worklist in one line: how far it is, and who has read."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.reading.outcomes import recompute_outcomes
from curation.reading.worklist import state_of
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Outcome, OutcomeVerdict, Purpose, ReaderCursor, Worklist, WorklistItem, WorklistKind


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
    done = select(Reader.kind, func.sum(ReaderCursor.done)).join(ReaderCursor, ReaderCursor.reader_id == Reader.id)
    done = done.where(ReaderCursor.worklist_id == worklist.id).group_by(Reader.kind)
    readings = dict(session.execute(done).all())
    decided = select(Outcome.verdict, func.count()).where(Outcome.worklist_id == worklist.id)
    outcomes = dict(session.execute(decided.group_by(Outcome.verdict)).all())
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


def list_worklists_anew(session: Session) -> list[WorklistSummary]:
    """Every worklist as `list_worklists` gives it, after its outcomes are worked out again from its readings."""
    for summary in list_worklists(session):
        recompute_outcomes(session, summary.id)
    return list_worklists(session)


def count_items(session: Session, worklist_id: int, purpose: Purpose) -> int:
    """How many items of a worklist have this purpose."""
    items = select(func.count(WorklistItem.id)).where(WorklistItem.worklist_id == worklist_id)
    return session.scalar(items.where(WorklistItem.purpose == purpose)) or 0
