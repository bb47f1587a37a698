"""Collect the readings and readers that a snapshot's approvals rest on."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.queries import chunks
from curation.reading.recipe import recipe_of
from curation.snapshots.gather import counted_worklists
from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool
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
        """Count the approvals by reader: by name for those who may see names, else by number."""
        return {
            reader.name if names else f"reader {reader.reader_id}": {
                "kind": reader.kind,
                "readings": reader.readings,
                "accepted": reader.accepted,
                "excluded": reader.excluded,
            }
            for reader in self.readers
        }


def support_of(session: Session, pool: Pool, recipe: MixRecipe) -> Support:
    """Collect what the approved images in `rows` rest on; nothing where the recipe takes none as approved."""
    is_approved = recipe.synthetic == "approved"
    taken = sorted({reading for ids in _approvals(pool) for reading in ids}) if is_approved else []
    excluded = _excluded_reader_ids(session, recipe) if taken else frozenset()
    readings, accepted = Counter[int](), Counter[int]()
    grid = 0
    doubtful: set[int] = set()
    for chunk in chunks(taken):
        query = select(Reading.id, Reading.reader_id, Reading.verdict, Reading.mode).where(Reading.id.in_(chunk))
        for reading_id, reader_id, verdict, mode in session.execute(query):
            readings[reader_id] += 1
            accepted[reader_id] += verdict == "accept"
            grid += mode == "grid"
            if reader_id in excluded:
                doubtful.add(reading_id)
    readers = [
        ReaderShare(row.id, row.name, row.kind.value, readings[row.id], accepted[row.id], row.id in excluded)
        for row in session.scalars(select(Reader).where(Reader.id.in_(readings)).order_by(Reader.id))
    ]
    by_kind = Counter[str]()
    for reader in readers:
        by_kind[reader.kind] += reader.readings
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
    """Yield the readings behind each approved image that was taken."""
    query = "SELECT readings FROM approved WHERE image IN (SELECT image FROM rows WHERE origin = 'synthetic')"
    return (json.loads(row[0]) for row in pool.rows(query))


def _excluded_reader_ids(session: Session, recipe: MixRecipe) -> frozenset[int]:
    """Find the ids of readers whom the rules of a counting worklist exclude."""
    worklists = counted_worklists(session, recipe.worklists)
    ruled = [worklist for worklist in worklists if any(recipe_of(worklist).exclusion.model_dump().values())]
    if not ruled:
        return frozenset()
    # The statistics of readers take a second to import, and few worklists have such rules.
    from curation.reader_study.report import excluded_readers

    names = {name for worklist in ruled for name in excluded_readers(session, worklist)}
    return frozenset(session.scalars(select(Reader.id).where(Reader.name.in_(names))))
