"""Holds what was pressed against what the database has: the account at the end of a soak."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.images import Image
from curation.tables.people import Reader
from curation.tables.reading import Assignment, AssignmentState, ReaderCursor, Reading, Worklist, WorklistItem
from tests.e2e.soak_reader import Press, SoakReader

SAID = {"a": "accept", "x": "reject", "s": "unsure"}
LAST_INSTANT_S = 1.5  # before a browser was killed: what was pressed then may not have reached the disk


@dataclass
class Account:
    """What became of every press; `faults` says what must not be."""

    pressed: int = 0
    acknowledged: int = 0
    recorded: int = 0
    not_kept: int = 0  # pressed in the last instant before a browser ended; the image came back
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """One reading or undo as the database has it."""

    reading: Reading
    assignment: Assignment
    number: int  # of the image

    def said(self) -> tuple[str, tuple[str, ...]]:
        """The verdict with its reasons; an undo is `u`."""
        verdict = self.reading.verdict
        return (verdict.value if verdict else "u"), tuple(self.reading.reasons)


def draw_up(session: Session, worklist_id: int, readers: Sequence[SoakReader]) -> Account:
    """Compare every reader's journal with the database."""
    account = Account()
    worklist = session.get_one(Worklist, worklist_id)
    reasons = {reason["key"]: reason["code"] for reason in worklist.reasons}
    for reader in readers:
        reader_id = session.scalars(select(Reader.id).where(Reader.name == reader.name)).one()
        rows = _rows(session, worklist_id, reader_id)
        account.pressed += len(reader.presses)
        account.acknowledged += len(reader.acknowledged)
        account.recorded += len(rows)
        _acknowledgements(account, reader, rows)
        _presses(account, reader, rows, reasons)
        account.faults += _counters(session, worklist_id, reader_id, rows)
    account.faults += _slots(session, worklist_id)
    return account


def _rows(session: Session, worklist_id: int, reader_id: int) -> list[Row]:
    query = (
        select(Reading, Assignment, Image.batch_index)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .join(WorklistItem, WorklistItem.id == Assignment.item_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .where(Assignment.worklist_id == worklist_id, Reading.reader_id == reader_id)
        .order_by(Reading.id)
    )
    return [Row(reading, assignment, number) for reading, assignment, number in session.execute(query)]


def _acknowledgements(account: Account, reader: SoakReader, rows: list[Row]) -> None:
    by_op = {row.reading.op_id: row for row in rows}
    for op_id, (kind, body) in reader.acknowledged.items():
        row = by_op.get(op_id)
        if row is None:
            account.lost.append(f"{reader.name}: acknowledged {kind} {op_id} is not in the database")
        elif kind == "reading" and (row.assignment.key, row.said()[0]) != (body["assignment_key"], body["verdict"]):
            account.faults.append(f"{reader.name}: {op_id} is in the database as something else")
    account.faults += [f"{reader.name}: refused: {error}" for error in reader.refused]


def _presses(account: Account, reader: SoakReader, rows: list[Row], reasons: dict[str, str]) -> None:
    """On each image the rows are the presses in their order, less what was pressed as a browser was killed."""
    pressed: defaultdict[str, list[Press]] = defaultdict(list)
    for press in reader.presses:
        pressed[press.assignment].append(press)
    recorded: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        recorded[row.assignment.key].append(row)
    for key in recorded.keys() - pressed.keys():
        account.doubled.append(f"{reader.name}: {key} has readings and was never pressed on")
    for key, presses in pressed.items():
        waiting = list(recorded[key])
        for press in presses:
            if waiting and waiting[0].said() == _meaning(press, reasons):
                row = waiting.pop(0)
                if press.number is not None and press.number != row.number:
                    seen = f"the screen showed image {press.number}, the reading is on {row.number}"
                    account.faults.append(f"{reader.name}: {key}: {seen}")
            elif _may_be_missing(reader, press):
                account.not_kept += 1
            else:
                account.lost.append(f"{reader.name}: {press} is not in the database; its rows: {recorded[key]}")
        account.doubled += [f"{reader.name}: {key}: {row.said()} was not pressed" for row in waiting]


def _meaning(press: Press, reasons: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    if press.key in reasons:
        return "reject", (reasons[press.key],)
    return SAID.get(press.key, press.key), ()


def _may_be_missing(reader: SoakReader, press: Press) -> bool:
    """Only what the page had not called saved, pressed as its browser ended, and nothing else."""
    ended_at = reader.ended_at.get(press.life)
    return not press.shown_as_saved and ended_at is not None and ended_at - press.at < LAST_INSTANT_S


def _counters(session: Session, worklist_id: int, reader_id: int, rows: list[Row]) -> Iterator[str]:
    cursor = session.get_one(ReaderCursor, (reader_id, worklist_id))
    voids = sum(row.reading.voids_id is not None for row in rows)
    standing = len(rows) - 2 * voids
    if cursor.done != standing:
        yield f"reader {reader_id}: the counter says {cursor.done}, {standing} readings stand"


def _slots(session: Session, worklist_id: int) -> Iterator[str]:
    """A slot is done exactly when one reading on it stands."""
    voided = select(Reading.voids_id).where(Reading.voids_id.is_not(None))
    standing = Counter(
        session.scalars(select(Reading.assignment_id).where(Reading.verdict.is_not(None), Reading.id.not_in(voided)))
    )
    for slot in session.scalars(select(Assignment).where(Assignment.worklist_id == worklist_id)):
        expected = 1 if slot.state is AssignmentState.DONE else 0
        if standing[slot.id] != expected:
            yield f"assignment {slot.id} is {slot.state.value} with {standing[slot.id]} standing readings"
