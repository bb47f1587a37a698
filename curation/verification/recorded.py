"""Hold rows and the events that record them against each other, both ways.

A row is at fault that differs from what its newest event found, has no event, or is missing. Two events that add one
row are a fault too: SQLite reuses the number of a deleted last row, so a new row would stand in for the deleted one.
Events of earlier versions keep no digest: such rows are counted as not covered.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain as in_turn

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.digests import digest_of
from curation.tables.images import BuildStatus
from curation.tables.members import Member, MemberTable
from curation.tables.reading import Vocabulary
from curation.tables.recorded import RECORDED, RecordedTable
from curation.tables.withdrawals import Affected
from curation.verification.aliases import alias_faults
from curation.verification.altered_images import CHANGED, MISSING, UNRECORDED, altered_image_faults
from curation.verification.ledger import Entry, Ledger, Members
from curation.verification.marks import mark_faults
from curation.verification.near_copies import near_copy_faults

THERE = "it is there, though an event records its removal"


def recorded_faults(session: Session, chain: Chain, not_covered: Counter[str]) -> Iterator[str]:
    """Describe each row that differs from its event, has none or is missing; count those that are not covered."""
    with Ledger.open(session) as ledger:
        yield from ledger.faults
        for table in RECORDED:
            yield from _table_faults(session, chain, ledger, table, not_covered)
        yield from _mark_faults(session, ledger)
        yield from _vocabulary_faults(session, ledger)
        yield from altered_image_faults(session, chain, ledger, not_covered)
    yield from mark_faults(session)
    yield from alias_faults(session, chain, not_covered)
    yield from near_copy_faults(session, chain, not_covered)


def _table_faults(
    session: Session, chain: Chain, ledger: Ledger, table: RecordedTable, not_covered: Counter[str]
) -> Iterator[str]:
    """Walk over rows and events in the order of ids, side by side."""
    entries = ledger.entries(table)
    missing = f"{MISSING}, and none its removal" if table.removed else MISSING
    entry, covered_before = next(entries, None), False
    for row_id, content in _contents(session, chain, table):
        while entry is not None and entry.id < row_id:
            yield f"{table.what} {entry.id}: {missing}"
            entry = next(entries, None)
        if entry is None or entry.id > row_id:
            if ledger.is_gone(table, row_id):
                yield f"{table.what} {row_id}: {THERE}"
            elif table.late and ledger.has_earlier and not covered_before:  # an earlier version may have made it
                not_covered[table.plural] += 1
            elif not _is_unfinished(session, table, row_id):
                yield f"{table.what} {row_id}: {UNRECORDED}"
            continue
        if entry.content is None:
            not_covered[table.plural] += 1
            yield from (f"{table.what} {row_id}: {line}" for line in _differences(session, ledger, table, row_id))
        else:
            covered_before = True
            yield from _row_faults(session, chain, ledger, table, entry, content)
        entry = next(entries, None)
    for left in in_turn(() if entry is None else (entry,), entries):
        yield f"{table.what} {left.id}: {missing}"


def _contents(session: Session, chain: Chain, table: RecordedTable) -> Iterator[tuple[int, str]]:
    last = 0
    while rows := chain.contents(session, table, table.model.id > last):
        yield from rows
        last = rows[-1][0]
        session.expunge_all()


def _is_unfinished(session: Session, table: RecordedTable, row_id: int) -> bool:
    """Whether a row is one of work under way or given up, which is recorded when it is finished."""
    if not hasattr(table.model, "status"):
        return False
    return session.scalar(select(table.model.status).where(table.model.id == row_id)) is not BuildStatus.READY


def _row_faults(
    session: Session, chain: Chain, ledger: Ledger, table: RecordedTable, entry: Entry, content: str
) -> Iterator[str]:
    if content != entry.content:
        known = "; ".join(_differences(session, ledger, table, entry.id))
        yield f"{table.what} {entry.id}: {CHANGED}{known and ': '}{known}"
    recorded = ledger.members(table, entry.id) if table.members else None
    if recorded is not None and table.members is not None:
        for place, fault in _member_faults(session, chain, ledger, table.members, entry.id, recorded):
            yield f"{place} of {table.what} {entry.id}: {fault}"


def _differences(session: Session, ledger: Ledger, table: RecordedTable, row_id: int) -> Iterator[str]:
    """Say what differs between a row and what its events say in so many words, those of earlier versions too."""
    recorded = ledger.told(table, row_id)
    columns = [getattr(table.model, column) for column, _, _ in recorded]
    values = session.execute(select(*columns).where(table.model.id == row_id)).one() if recorded else ()
    for (column, expected, sequence), value in zip(recorded, values, strict=True):
        if value != expected:
            yield f"its {column} is {value}, event {sequence} says {expected}"


def _member_faults(
    session: Session, chain: Chain, ledger: Ledger, table: MemberTable, row_id: int, recorded: Members
) -> Iterator[tuple[str, str]]:
    """Walk over members and their groups in the order of ids; yield places and what is wrong there."""
    members = _Ahead(table.read(session, row_id))
    for last, digest in zip(recorded.last, recorded.digests, strict=False):
        group = list(members.up_to(last))
        digests = (chain.member_digest(member, ledger.cleared_facts(member, recorded.sequence)) for member in group)
        if not group:
            yield f"{table.what} {last}", MISSING
        elif chain.group_digest(digests) != digest:
            ids = [member.id for member in group]
            alone = ids == [last]
            place = f"{table.what} {last}" if alone else f"{table.what}s {ids[0]} to {max(last, ids[-1])}"
            yield place, CHANGED if alone else "some of them were changed, removed or added"
    yield from ((f"{table.what} {member.id}", UNRECORDED) for member in members.up_to(None))


class _Ahead:
    """Members in the order of their ids, of which the next is known before it is taken."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._members = members
        self._next = next(members, None)

    def up_to(self, last: int | None) -> Iterator[Member]:
        """Yield the members up to an id; without one, all that are left."""
        while self._next is not None and (last is None or self._next.id <= last):
            yield self._next
            self._next = next(self._members, None)


def _mark_faults(session: Session, ledger: Ledger) -> Iterator[str]:
    """Describe each mark of a withdrawal that is missing: what it was on would count as free of the subject."""
    for withdrawal_id, kind, target_id in ledger.marks():
        if session.get(Affected, (withdrawal_id, kind, target_id)) is None:
            yield f"withdrawal {withdrawal_id}: its mark on {kind} {target_id} is missing, an event records it"


def _vocabulary_faults(session: Session, ledger: Ledger) -> Iterator[str]:
    """Compare vocabularies by what they say: their events have named nothing else from the first."""
    recorded = ledger.vocabularies()
    stored = {digest_of([row.name, row.reasons]): row.name for row in session.scalars(select(Vocabulary))}
    for digest in sorted(stored.keys() - recorded):
        yield f"vocabulary {stored[digest]!r}: it was changed, or {UNRECORDED}"
    for digest in sorted(recorded - stored.keys()):
        yield f"vocabulary {digest[:12]}: {MISSING}, or it was changed"
