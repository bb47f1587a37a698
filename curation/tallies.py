"""Who said what of a worklist, in numbers: people and proxies apart, candidates and controls apart."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.claims import open_worklist
from curation.outcomes import class_asked, stands
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Purpose, Reading, Verdict, WorklistItem


@dataclass(frozen=True, slots=True)
class Tally:
    """Readings that stand, of one purpose and class, by one kind of reader, with one verdict."""

    kind: ReaderKind
    purpose: Purpose
    label: str | None  # the class asked for, or the truth of a control
    verdict: Verdict
    readings: int


@dataclass(frozen=True, slots=True)
class WorklistTallies:
    """A worklist's readings by reader kind, purpose, class and verdict, and how many readers gave them."""

    worklist_id: int
    name: str
    images: int
    readers: dict[ReaderKind, int]
    tallies: tuple[Tally, ...]

    def readings(self, kind: ReaderKind, purpose: Purpose = Purpose.CANDIDATE) -> int:
        """How many readings stand by one kind of reader."""
        return sum(one.readings for one in self.tallies if (one.kind, one.purpose) == (kind, purpose))

    def by_verdict(self, kind: ReaderKind, purpose: Purpose = Purpose.CANDIDATE) -> dict[Verdict, int]:
        """Readings by verdict; every verdict is there."""
        counts = Counter[Verdict]()
        for one in self.tallies:
            if (one.kind, one.purpose) == (kind, purpose):
                counts[one.verdict] += one.readings
        return {verdict: counts[verdict] for verdict in Verdict}

    def by_class(self, kind: ReaderKind, purpose: Purpose = Purpose.CANDIDATE) -> dict[str, dict[Verdict, int]]:
        """Readings by class, then by verdict; every verdict is there."""
        found: dict[str, dict[Verdict, int]] = {}
        for one in self.tallies:
            if (one.kind, one.purpose) == (kind, purpose):
                counts = found.setdefault(one.label or "unknown", dict.fromkeys(Verdict, 0))
                counts[one.verdict] += one.readings
        return found

    @property
    def sentence(self) -> str:
        """Who read how many candidates: `120 readings by 2 people; 200 by 1 proxy, on which no claim rests`."""
        people, proxies = self.readers.get(ReaderKind.HUMAN, 0), self.readers.get(ReaderKind.PROXY, 0)
        by_people = f"{self.readings(ReaderKind.HUMAN)} readings by {people} {'person' if people == 1 else 'people'}"
        said = by_people if people else "not yet read by a person"
        if not proxies:
            return said
        which = "1 proxy" if proxies == 1 else f"{proxies} proxies"
        return f"{said}; {self.readings(ReaderKind.PROXY)} by {which}, on which no claim rests"


def worklist_summary(session: Session, worklist_id: int) -> WorklistTallies:
    """Count the readings of a worklist that stand. Raises NotFound."""
    worklist = open_worklist(session, worklist_id)
    label = func.coalesce(WorklistItem.truth, class_asked()).label("label")
    of_worklist = (
        select(Reader.kind, Reader.id.label("reader"), WorklistItem.purpose, label, Reading.verdict)
        .select_from(Reading)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(WorklistItem.worklist_id == worklist_id, stands())
        .subquery()
    )
    keys = (of_worklist.c.kind, of_worklist.c.purpose, of_worklist.c.label, of_worklist.c.verdict)
    rows = session.execute(select(*keys, func.count()).group_by(*keys).order_by(*keys))
    readers = session.execute(
        select(of_worklist.c.kind, func.count(of_worklist.c.reader.distinct())).group_by(of_worklist.c.kind)
    )
    return WorklistTallies(
        worklist.id,
        worklist.name,
        worklist.size,
        dict(readers.all()),
        tuple(Tally(*row) for row in rows),
    )
