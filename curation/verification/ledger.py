"""What the events of the chain say of rows, in a private SQLite file, so that memory stays flat."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import BEFORE, MEMBERS, MEMBERS_BEFORE
from curation.tables.column_types import as_stored
from curation.tables.content import CONTENT
from curation.tables.members import Member
from curation.tables.operations import Event
from curation.tables.recorded import RECORDED, RecordedTable
from curation.tables.withdrawals import AffectedKind
from curation.withdrawal.subtraction import SUBTRACTED

CLEARED = "images.cleared"
WITHDRAWN = "subject.withdrawn"
GONE_TOO = ("evaluation", "screening")  # rows that go with another, whose removal names them
VOCABULARY = "vocabulary.saved"
CHANGED_BEFORE = "it was changed before event {event} recorded a change of it"
MEMBERS_CHANGED = "its images were changed before event {event} recorded a change of them"
TWICE = "two events record it, so the row of the first was removed"

_SCHEMA = """
CREATE TABLE entries (name TEXT, id INTEGER, content TEXT, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TABLE told (name TEXT, id INTEGER, field TEXT, value TEXT, sequence INTEGER, PRIMARY KEY (name, id, field));
CREATE TABLE gone (name TEXT, id INTEGER, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TABLE members (name TEXT, id INTEGER, sequence INTEGER, members TEXT, PRIMARY KEY (name, id));
CREATE TABLE cleared (image INTEGER PRIMARY KEY, sequence INTEGER, facts TEXT);
CREATE TABLE marks (withdrawal INTEGER, kind TEXT, target INTEGER, PRIMARY KEY (withdrawal, kind, target));
CREATE TABLE vocabularies (digest TEXT PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What events say of a row: the digest of its content, None from an earlier version."""

    id: int
    content: str | None


@dataclass(frozen=True, slots=True)
class Members:
    """What an event says of the members of a row: `last` are the ids that end each group, with a digest for each."""

    sequence: int
    last: list[int]
    digests: list[str]


class Ledger:
    """The newest that events say of each row; `faults` are what the events contradict among themselves."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """`open` makes it."""
        self._connection = connection
        self.faults: list[str] = []
        self.has_earlier = False  # whether an earlier version recorded a part of this chain

    @classmethod
    @contextmanager
    def open(cls, session: Session) -> Iterator[Self]:
        """Read every event that records a row, in the order of the chain."""
        with closing(sqlite3.connect("")) as connection:  # a temporary file, which SQLite removes
            connection.executescript(_SCHEMA)
            ledger = cls(connection)
            ledger._read(session)
            yield ledger

    def entries(self, table: RecordedTable) -> Iterator[Entry]:
        """Yield what events say of the rows of a table, in the order of ids."""
        query = "SELECT id, content FROM entries WHERE name = ? ORDER BY id"
        yield from (Entry(*row) for row in self._connection.execute(query, (table.what,)))

    def is_gone(self, table: RecordedTable, row_id: int) -> bool:
        """Tell whether an event records that a row was removed."""
        query = "SELECT 1 FROM gone WHERE name = ? AND id = ?"
        return self._connection.execute(query, (table.what, row_id)).fetchone() is not None

    def told(self, table: RecordedTable, row_id: int) -> list[tuple[str, Any, int]]:
        """List what events say of a row in so many words: the column, its value, and which event said so last."""
        query = "SELECT field, value, sequence FROM told WHERE name = ? AND id = ? ORDER BY field"
        rows = self._connection.execute(query, (table.what, row_id))
        return [(field, json.loads(value), sequence) for field, value, sequence in rows]

    def members(self, table: RecordedTable, row_id: int) -> Members | None:
        """Find what an event says of the members of a row."""
        query = "SELECT sequence, members FROM members WHERE name = ? AND id = ?"
        row = self._connection.execute(query, (table.what, row_id)).fetchone()
        if row is None:
            return None
        return Members(row[0], *json.loads(row[1]))

    def cleared_facts(self, member: Member, since: int) -> str | None:
        """Find the digest of what a withdrawal cleared of a member after event `since`; None of one that stands."""
        if member.facts is None or "withdrawn_at" not in member.facts:
            return None
        query = "SELECT facts FROM cleared WHERE image = ? AND sequence > ?"
        row = self._connection.execute(query, (member.id, since)).fetchone()
        return None if row is None else str(row[0])

    def marks(self) -> Iterator[tuple[int, str, int]]:
        """Yield withdrawal, kind and id of what events say a withdrawal affects."""
        yield from self._connection.execute("SELECT withdrawal, kind, target FROM marks ORDER BY 1, 2, 3")

    def vocabularies(self) -> set[str]:
        """The digests of vocabularies that events record."""
        return {row[0] for row in self._connection.execute("SELECT digest FROM vocabularies")}

    def _read(self, session: Session) -> None:
        tables = {kind: table for table in RECORDED for kind in (*table.added, *table.changed, table.removed) if kind}
        kinds = (*tables, CLEARED, VOCABULARY)
        query = (
            select(Event.sequence, Event.kind, as_stored(Event.payload))
            .where(Event.kind.in_(kinds))
            .order_by(Event.sequence)
        )
        for sequence, kind, payload in session.execute(query.execution_options(yield_per=1_000)):
            if not isinstance(payload, dict):  # altered, which the chain shows
                continue
            if kind == CLEARED:
                facts = zip(payload.get("images", ()), payload.get("facts", ()), strict=False)
                rows = ((image, sequence, digest) for image, digest in facts)
                self._write("INSERT OR IGNORE INTO cleared VALUES (?, ?, ?)", rows)
            elif kind == VOCABULARY:
                self._write("INSERT OR IGNORE INTO vocabularies VALUES (?)", [(payload.get("digest"),)])
            elif isinstance(payload.get(tables[kind].key), int):
                act = self._remove if kind == tables[kind].removed else self._add
                act(tables[kind], kind, sequence, payload)
        self._connection.commit()

    def _add(self, table: RecordedTable, kind: str, sequence: int, payload: dict[str, Any]) -> None:
        row_id, content, before = payload[table.key], payload.get(CONTENT), payload.get(BEFORE)
        known = self._known(table, row_id)
        self.has_earlier |= content is None
        values = ((column, payload[key]) for key, column in table.told if key in payload)
        rows = ((table.what, row_id, column, json.dumps(value), sequence) for column, value in values)
        self._write("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?)", rows)
        if before is None and kind in table.changed and known is not None and content is None:
            return  # an event of an earlier version: it says that the row was changed, not what it says since
        self._note_contradiction(table, row_id, known, before, sequence)
        self._write("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", [(table.what, row_id, content)])
        members = payload.get(MEMBERS)
        if isinstance(members, dict):
            self._note_changed_members(table, row_id, payload.get(MEMBERS_BEFORE), sequence)
            groups = json.dumps([members.get("last", []), members.get("digests", [])])
            self._write("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", [(table.what, row_id, sequence, groups)])
        self._note_marks(kind, row_id, payload)

    def _note_marks(self, kind: str, row_id: int, payload: dict[str, Any]) -> None:
        """Note what a withdrawal affects, and what it no longer affects since the subject was taken out."""
        if kind == WITHDRAWN:
            affected = payload.get("affected", {})
            marks = ((row_id, mark, target) for mark, targets in affected.items() for target in targets)
            self._write("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", marks)
        if kind == SUBTRACTED:
            whole = (payload.get("withdrawal"), AffectedKind.RUN.value, row_id)
            self._write("DELETE FROM marks WHERE withdrawal = ? AND kind = ? AND target = ?", [whole])

    def _remove(self, table: RecordedTable, _: str, sequence: int, payload: dict[str, Any]) -> None:
        """Forget a row that its command removed, what went with it, and the marks of withdrawals on it."""
        row_id, before = payload[table.key], payload.get(BEFORE)
        if before is not None:
            self._note_contradiction(table, row_id, self._known(table, row_id), before, sequence)
        removed = [(table.what, row_id)]
        removed += [(what, number) for what in GONE_TOO for number in payload.get(f"{what}s", ())]
        for name in ("entries", "members", "told"):
            self._write(f"DELETE FROM {name} WHERE name = ? AND id = ?", removed)
        self._write("DELETE FROM marks WHERE kind = ? AND target = ?", removed)
        self._write("INSERT OR IGNORE INTO gone VALUES (?, ?)", removed[:1])

    def _known(self, table: RecordedTable, row_id: int) -> tuple[str | None] | None:
        """Find the digest that the events so far give a row; None without one."""
        query = "SELECT content FROM entries WHERE name = ? AND id = ?"
        known: tuple[str | None] | None = self._connection.execute(query, (table.what, row_id)).fetchone()
        return known

    def _note_contradiction(
        self, table: RecordedTable, row_id: int, known: tuple[str | None] | None, before: str | None, sequence: int
    ) -> None:
        """Note what an event contradicts of those before it: it adds the row again, or found another content."""
        if known is not None and before is None:
            self.faults.append(f"{table.what} {row_id}: {TWICE}")
        elif known is not None and known[0] not in (None, before):
            self.faults.append(f"{table.what} {row_id}: {CHANGED_BEFORE.format(event=sequence)}")

    def _note_changed_members(self, table: RecordedTable, row_id: int, before: Any, sequence: int) -> None:
        """Note that an event of a change found other members than the event before it recorded."""
        known = self.members(table, row_id)
        if known is not None and isinstance(before, dict) and before != {"last": known.last, "digests": known.digests}:
            self.faults.append(f"{table.what} {row_id}: {MEMBERS_CHANGED.format(event=sequence)}")

    def _write(self, statement: str, rows: Any) -> None:
        self._connection.executemany(statement, rows)
