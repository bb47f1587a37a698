"""The chain of events: each link is an HMAC over the link before it, with a key outside the database.

Payloads are canonical JSON of ids and digests: no names, no labels. The head row is locked last in a transaction, so
that writers wait there for microseconds only. A plain chain cannot show that its tail was cut off: `anchor` writes the
count and the head to a file outside the database, and `verify` compares the chain with every anchor.

An event that records a row keeps the digest of the row, under the same key: without the key nobody can try values until
the digest fits, not even after a withdrawal. An event of a change also keeps the digest of what it found, so that a
change made beside the commands before it is not sealed by it.
"""

import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from curation.digests import canonical_json
from curation.errors import Unavailable
from curation.queries import chunks
from curation.tables.base import Keyed
from curation.tables.column_types import as_stored
from curation.tables.content import CONTENT
from curation.tables.members import CHUNK, Member
from curation.tables.operations import Event, EventHead
from curation.tables.recorded import RecordedTable, table_of

GENESIS = "0" * 64
BEFORE = "content_before"
MEMBERS = "members"
MEMBERS_BEFORE = "members_before"
MOST_DIGESTS = 1_000  # of members in one event
MEMBER_LENGTH = 32  # hex digits of a member's digest


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of `verify`; `faults` is empty when the chain is whole up to the last anchor."""

    events: int
    anchors: int
    faults: list[str]
    head: str = GENESIS


@dataclass(frozen=True, slots=True)
class Chain:
    """Records and verifies events under one key."""

    key: bytes

    def record(self, session: Session, kind: str, payload: dict[str, Any], at: datetime) -> None:
        """Append an event; call it last in a transaction, since it locks the head row until the commit."""
        head = session.scalars(select(EventHead).with_for_update()).one()
        sequence = head.count + 1
        link = self._link(head.hmac, sequence, at, kind, payload)
        session.add(Event(sequence=sequence, at=at, kind=kind, payload=payload, hmac=link))
        head.count, head.hmac = sequence, link
        session.flush()

    def record_row(
        self, session: Session, kind: str, row: Keyed, payload: dict[str, Any], at: datetime, /, **more: Any
    ) -> None:
        """Append an event that records a row, with the digest of the row as it is stored."""
        session.flush()
        table = table_of(type(row))
        content = self.content(session, type(row), row.id)
        self.record(session, kind, {table.key: row.id, **payload, CONTENT: content, **more}, at)

    @contextmanager
    def change(
        self, session: Session, kind: str, row: Keyed, payload: dict[str, Any], at: datetime, /, **more: Any
    ) -> Iterator[None]:
        """Append an event that records what the block changes of a row: the digests before and after."""
        # Locked, so that of two changes at once the second finds what the first has made; readings go on meanwhile.
        model = type(row)
        session.execute(select(model.id).where(model.id == row.id).with_for_update(key_share=True))
        before = self.content(session, model, row.id)
        yield
        self.record_row(session, kind, row, payload, at, **{BEFORE: before}, **more)

    def content(self, session: Session, model: type[Any], row_id: int) -> str:
        """Digest a row and what hangs on it, as they are stored."""
        table = table_of(model)
        [(_, content)] = self.contents(session, table, table.model.id == row_id, limit=1)
        return content

    def contents(
        self, session: Session, table: RecordedTable, which: ColumnElement[bool], limit: int = CHUNK
    ) -> list[tuple[int, str]]:
        """Give ids and digests of the first rows of a table that are so, in the order of ids."""
        if table.own_content is None:
            return [(row_id, self.digest(values)) for row_id, values in table.read(session, which, limit)]
        rows = session.scalars(select(table.model).where(which).order_by(table.model.id).limit(limit)).all()
        return [(row.id, table.own_content(session, row)) for row in rows]

    def members(self, session: Session, model: type[Any], row_id: int) -> dict[str, list[Any]]:
        """Digest the members of a row in the order of their ids, so many together that there are at most a thousand.

        `last` are the ids that end each group, `digests` what the members up to there give.
        """
        members = table_of(model).members
        assert members is not None
        together = -(-members.count(session, row_id) // MOST_DIGESTS) or 1
        last, digests = list[int](), list[str]()
        for group in chunks(members.read(session, row_id), together):
            last.append(group[-1].id)
            digests.append(self.group_digest(self.member_digest(member) for member in group))
        return {"last": last, "digests": digests}

    def member_digest(self, member: Member, facts: str | None = None) -> str:
        """Digest a member; `facts` is the digest of what a withdrawal has cleared of it."""
        if member.facts is None:
            return self.digest(member.values)[:MEMBER_LENGTH]
        return self.digest([member.values, facts or self.facts_digest(member)])[:MEMBER_LENGTH]

    def facts_digest(self, member: Member) -> str:
        """Digest what a withdrawal would clear of an image."""
        return self.digest(member.facts)[:MEMBER_LENGTH]

    def alias_digest(self, key: str) -> str:
        """Digest the key of a bound subject, so that an event can name it without saying it."""
        return self.digest(["alias", key])[:MEMBER_LENGTH]

    def near_copy_digest(self, image_id: int, like_image_id: int, correlation: float) -> str:
        """Digest how much an image looks like another."""
        return self.digest(["near copy", image_id, like_image_id, correlation])[:MEMBER_LENGTH]

    def group_digest(self, digests: Iterable[str]) -> str:
        """Digest several members together."""
        return self.digest(list(digests))[:MEMBER_LENGTH]

    def digest(self, value: Any) -> str:
        """Digest JSON under the key."""
        return hmac.digest(self.key, canonical_json(value), "sha256").hex()

    def verify(self, session: Session, anchors_path: Path) -> ChainReport:
        """Walk the whole chain, compare it with the anchors, and list altered, missing and reordered events."""
        lines = _read_anchors(anchors_path)
        anchors = dict(filter(None, lines))
        torn = [number for number, line in enumerate(lines, 1) if line is None]
        faults = [f"line {number} of {anchors_path.name} is torn or was altered" for number in torn]
        count, link = 0, GENESIS
        columns = (Event.sequence, as_stored(Event.at), Event.kind, as_stored(Event.payload), Event.hmac)
        for event in session.execute(select(*columns).order_by(Event.sequence).execution_options(yield_per=1_000)):
            if event.sequence != count + 1:
                faults.append(f"event {count + 1} is missing: the next one found is {event.sequence}")
            link = self._link(link, event.sequence, event.at, event.kind, event.payload)
            if link != event.hmac:
                faults.append(f"event {event.sequence} ({event.kind}) was altered, or the one before it was")
                link = event.hmac
            count = event.sequence
            if anchors.get(count, link) != link:
                faults.append(f"event {count} does not match the anchor written for it")
        faults += [f"the chain ends at {count}, an anchor was written at {at}" for at in anchors if at > count]
        head = session.scalars(select(EventHead)).one()
        if (head.count, head.hmac) != (count, link):
            faults.append(f"the head says {head.count} events, the chain has {count}")
        return ChainReport(count, len(anchors), faults, link)

    def _link(self, previous: str, sequence: int, at: datetime | str, kind: str, payload: dict[str, Any]) -> str:
        when = at.astimezone(UTC).isoformat() if isinstance(at, datetime) else at  # what is no time was altered
        body = [previous, sequence, when, kind, payload]
        return self.digest(body)


def anchor(session: Session, anchors_path: Path) -> None:
    """Append the count and the head of the chain to a file outside the database."""
    head = session.scalars(select(EventHead)).one()
    if head.count in dict(filter(None, _read_anchors(anchors_path))):
        return
    line = json.dumps({"count": head.count, "hmac": head.hmac}).encode() + b"\n"
    try:
        _append(anchors_path, line)
    except OSError as error:
        raise Unavailable(
            f"{anchors_path} cannot be written: {error}. Free some space, or make it writable."
        ) from error


def _append(path: Path, line: bytes) -> None:
    """Append a line whole or not at all; raises Unavailable when only a part found room."""
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        if end and not path.read_bytes().endswith(b"\n"):
            line = b"\n" + line  # a power cut tore the line before: it stays, so that `verify` reports it
        if file.write(line) != len(line):  # half a line on a full disk would be worse than none
            file.truncate(end)
            raise Unavailable(f"{path} cannot be written: the disk is full. Free some space, then try again.")


def list_events(session: Session, kind: str | None = None, limit: int = 50) -> Sequence[Event]:
    """The newest events, newest first; `kind` is one kind, or the group before the dot."""
    query = select(Event).order_by(Event.sequence.desc()).limit(limit)
    if kind is not None:
        query = query.where((Event.kind == kind) | Event.kind.startswith(f"{kind}.", autoescape=True))
    return session.scalars(query).all()


def last_anchor(anchors_path: Path) -> int:
    """The number of events at the last anchor; 0 without one."""
    return max((line[0] for line in _read_anchors(anchors_path) if line), default=0)


def torn_anchors(anchors_path: Path) -> int:
    """Count the lines of the file that are no anchors."""
    return sum(line is None for line in _read_anchors(anchors_path))


def _read_anchors(path: Path) -> list[tuple[int, str] | None]:
    """The count and the link of each line; None for a line that is no anchor."""
    return [_anchor_of(line) for line in path.read_text(errors="replace").splitlines()] if path.is_file() else []


def _anchor_of(line: str) -> tuple[int, str] | None:
    try:
        entry = json.loads(line)
        return int(entry["count"]), str(entry["hmac"])
    except (ValueError, KeyError, TypeError):
        return None
