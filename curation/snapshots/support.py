"""What the approvals in a snapshot rest on: which readings, whose, how well they agree, and who should not count."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.reading.recipe import recipe_of
from curation.snapshots.gather import counted_worklists
from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool, chunks
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Reading


@dataclass(frozen=True, slots=True)
class ReaderShare:
    """One reader behind the approvals: how many of the readings, and how many of those approved."""

    reader_id: int
    name: str
    kind: str
    readings: int
    accepted: int
    excluded: bool


@dataclass(frozen=True, slots=True)
class Support:
    """The readings that the approved images of a mix rest on, as the manifest holds them, and who gave them."""

    readings: dict[str, Any]
    readers: list[ReaderShare]

    def by_reader(self, names: bool) -> dict[str, dict[str, Any]]:
        """Who approved, by count; with `names` for those who may see them, by number in files."""
        return {
            one.name if names else f"reader {one.reader_id}": {
                "kind": one.kind,
                "readings": one.readings,
                "accepted": one.accepted,
                "excluded": one.excluded,
            }
            for one in self.readers
        }


def support_of(session: Session, pool: Pool, recipe: MixRecipe) -> Support:
    """What the approved images in `rows` rest on; nothing where the recipe takes none for being approved."""
    taken: list[int] = []
    if recipe.synthetic == "approved":
        taken = sorted({reading for ids in _approvals(pool) for reading in ids})
    excluded = _excluded(session, recipe) if taken else frozenset()
    readings: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    grid = 0
    doubtful: set[int] = set()
    for some in chunks(taken):
        query = select(Reading.id, Reading.reader_id, Reading.verdict, Reading.mode).where(Reading.id.in_(some))
        for reading_id, reader_id, verdict, mode in session.execute(query):
            readings[reader_id] += 1
            accepted[reader_id] += verdict == "accept"
            grid += mode == "grid"
            if reader_id in excluded:
                doubtful.add(reading_id)
    readers = [
        ReaderShare(one.id, one.name, one.kind.value, readings[one.id], accepted[one.id], one.id in excluded)
        for one in session.scalars(select(Reader).where(Reader.id.in_(readings)).order_by(Reader.id))
    ]
    by_kind = Counter[str]()
    for one in readers:
        by_kind[one.kind] += one.readings
    facts = {
        "ids": taken,
        "readers": len(readers),
        "human": by_kind[ReaderKind.HUMAN.value],
        "proxy": by_kind[ReaderKind.PROXY.value],
        "grid": grid,
        "by_excluded_readers": len(doubtful),
        "images_on_excluded_readers": sum(not doubtful.isdisjoint(ids) for ids in _approvals(pool)) if doubtful else 0,
    }
    return Support(facts, readers)


def _approvals(pool: Pool) -> Iterator[list[int]]:
    """The readings behind each approved image that was taken."""
    query = "SELECT readings FROM approved WHERE image IN (SELECT image FROM rows WHERE origin = 'synthetic')"
    return (json.loads(row[0]) for row in pool.rows(query))


def _excluded(session: Session, recipe: MixRecipe) -> frozenset[int]:
    """Readers whom the rules of a worklist that counts exclude from its evidence, by id."""
    ruled = [
        worklist
        for worklist in counted_worklists(session, recipe.worklists)
        if any(recipe_of(worklist).exclusion.model_dump().values())
    ]
    if not ruled:
        return frozenset()
    # The statistics of readers take a second to import, and few worklists have such rules.
    from curation.reader_study.report import excluded_readers

    names = {name for worklist in ruled for name in excluded_readers(session, worklist)}
    return frozenset(session.scalars(select(Reader.id).where(Reader.name.in_(names))))
