"""Hold marks that no digest of a row covers against the events that set them.

They are that a subject is withdrawn, and that a sign-in is ended. Such a mark is set long after the event of its row,
or by the event of another row; each event names what it marks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.column_types import as_stored
from curation.tables.images import Subject
from curation.tables.operations import Event
from curation.tables.people import SignIn

WITHDRAWN = "subject.withdrawn"
SIGNED_IN = "reader.signed_in"
SIGNED_OUT = "reader.signed_out"
CHANGED_PASSWORD = "reader.password_changed"
RESTORED = "project.restored"
ENDS_ALL = ("reader.signed_out_everywhere", "reader.deactivated", "reader.password_reset", "reader.linked")


def mark_faults(session: Session) -> Iterator[str]:
    """Describe each subject and sign-in whose mark is not what the events say."""
    yield from _subject_faults(session)
    yield from _sign_in_faults(session)


def events_of(session: Session, kinds: Collection[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield sequence, kind and payload of the events of some kinds, in the order of the chain."""
    query = (
        select(Event.sequence, Event.kind, as_stored(Event.payload))
        .where(Event.kind.in_(kinds))
        .order_by(Event.sequence)
    )
    for sequence, kind, payload in session.execute(query.execution_options(yield_per=1_000)):
        if isinstance(payload, dict):  # another one was altered, which the chain shows
            yield sequence, kind, payload


def _subject_faults(session: Session) -> Iterator[str]:
    """Hold withdrawn subjects against the events of withdrawals, both ways; those of every version name the subject."""
    recorded: dict[int, int] = {}
    for sequence, _, payload in events_of(session, (WITHDRAWN,)):
        if isinstance(payload.get("subject"), int):
            recorded[payload["subject"]] = sequence
    marked = set(session.scalars(select(Subject.id).where(Subject.withdrawn_at.is_not(None))))
    for subject in sorted(recorded.keys() - marked):
        yield f"subject {subject}: it is not marked as withdrawn, event {recorded[subject]} records its withdrawal"
    for subject in sorted(marked - recorded.keys()):
        yield f"subject {subject}: it is marked as withdrawn, no event records its withdrawal"


def _sign_in_faults(session: Session) -> Iterator[str]:
    """Describe each sign-in that could still be used although an event ended it."""
    unended = set(session.scalars(select(SignIn.id).where(SignIn.revoked_at.is_(None))))
    begun: dict[Any, set[Any]] = defaultdict(set)  # by reader
    for sequence, kind, payload in events_of(session, (SIGNED_IN, SIGNED_OUT, CHANGED_PASSWORD, RESTORED, *ENDS_ALL)):
        of_reader, named = begun[payload.get("reader")], payload.get("sign_in")
        if kind == SIGNED_IN:
            of_reader.update({named} & unended)
            continue
        ended = set().union(*begun.values()) if kind == RESTORED else _ended(kind, payload, of_reader)
        for number in sorted(ended):
            yield f"sign-in {number}: it is not ended, event {sequence} ({kind}) ended it"
        for numbers in begun.values():
            numbers -= ended


def _ended(kind: str, payload: dict[str, Any], of_reader: set[int]) -> set[int]:
    """Choose which sign-ins of its reader an event ends."""
    named = {payload.get("sign_in")}
    if kind == SIGNED_OUT:
        return of_reader & named
    if kind == CHANGED_PASSWORD:  # all but one, which events of earlier versions do not name
        return of_reader - named if "sign_in" in payload else set()
    return set(of_reader)
