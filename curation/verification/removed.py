"""Check that what was made is there unless its removal is recorded, and that what was removed is gone."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.project import Project
from curation.tables.generation import Generator
from curation.tables.operations import Event
from curation.tables.training import Run, Snapshot, Study

MADE: dict[str, tuple[str, Any]] = {
    "generator": ("generator.added", Generator),
    "snapshot": ("snapshot.built", Snapshot),
    "run": ("run.finished", Run),
    "study": ("study.finished", Study),
}
FOLDERS = ("generators", "runs", "snapshots", "studies")


def removal_faults(session: Session) -> Iterator[str]:
    """Describe each generator, snapshot, run or study whose row and events contradict each other."""
    for thing, (made, table) in MADE.items():
        rows = set(session.scalars(select(table.id)))
        removed = _numbers(session, f"{thing}.removed", thing)
        for number in sorted(rows & removed):
            yield f"{thing} {number}: it is there, though an event records its removal"
        for number in sorted(_numbers(session, made, thing) - rows - removed):
            yield f"{thing} {number}: it is missing, an event records it, and none its removal"


def _numbers(session: Session, kind: str, thing: str) -> set[int]:
    """The numbers of the rows that events of a kind name; an event that was altered is found by the chain."""
    payloads = session.scalars(select(Event.payload).where(Event.kind == kind))
    numbers = (payload.get(thing) for payload in payloads if isinstance(payload, dict))
    return {number for number in numbers if isinstance(number, int)}


def folders_set_aside(project: Project) -> Iterator[str]:
    """List folders that interrupted work left under a hidden name: half written, or half removed."""
    for parent in FOLDERS:
        yield from sorted(f"{parent}/{path.name}" for path in (project.root / parent).glob(".*.part"))
