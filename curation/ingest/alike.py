"""Subjects of an import whose pictures look like copies of each other, or of pictures of the project."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.ingest.staging import Staging
from curation.near_copies.find import ORDER, RealImages
from curation.near_copies.group import Bound, bind_in
from curation.near_copies.prints import IncomingPrints, stored_prints
from curation.near_copies.search import PrintedImages, most_alike
from curation.progress import OnProgress
from curation.project import Project
from curation.queries import chunks
from curation.tables.images import Subject


@dataclass(frozen=True, slots=True)
class AlikeSubjects:
    """Finds pairs of subjects that look alike before the splits are drawn, and binds them when the rows are written."""

    project: Project
    staging: Staging
    prints: IncomingPrints
    report: OnProgress
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def find(self) -> list[tuple[str, str]]:
        """Pairs of subject keys, at least one of which arrives; the project's splits are noted for the draw."""
        arrived = list(self.staging.arrived())
        with self.project.database.read() as session:
            present = RealImages.of(session)
            keys = {row.id: row.key for row in session.execute(select(Subject.id, Subject.key))}
        of_present = [keys[subject] for subject in present.subjects.tolist()]
        numbers = {key: number for number, key in enumerate({*of_present, *(key for _, key in arrived)})}
        new = PrintedImages(
            self.prints.rows().part(np.array([place for place, _ in arrived], np.int64)),
            np.array([numbers[key] for _, key in arrived], np.int64),
        )
        prints = stored_prints(self.project, present.files, self.report)
        old = PrintedImages(prints, np.array([numbers[key] for key in of_present], np.int64))
        among, against = most_alike(new, new, self.report), most_alike(new, old, self.report)
        self.pairs.extend(self._pairs(arrived, among, [key for _, key in arrived]))
        self.pairs.extend(self._pairs(arrived, against, of_present))
        for row in np.nonzero(against.are_near_copies)[0]:
            split = ORDER[present.splits[against.positions[row]]]
            self.staging.subject_is_like(arrived[row][1], split)
        return self.pairs

    @staticmethod
    def _pairs(arrived: Sequence[tuple[int, str]], alike: Any, others: Sequence[str]) -> list[tuple[str, str]]:
        rows = np.nonzero(alike.are_near_copies)[0].tolist()
        return [(arrived[row][1], others[int(alike.positions[row])]) for row in rows]

    def bind(self, session: Session, now: datetime) -> Bound:
        """Bind the subjects that stand in one split, in the transaction that makes the import count."""
        ids: dict[str, int] = {}
        for keys in chunks(sorted({key for pair in self.pairs for key in pair})):
            rows = session.execute(select(Subject.key, Subject.id).where(Subject.key.in_(keys)))
            ids |= {row.key: row.id for row in rows}
        pairs = [(ids[first], ids[second]) for first, second in self.pairs if first in ids and second in ids]
        return bind_in(session, self.project.chain, now, pairs, across_splits=False)


def note_bound(bound: Bound) -> list[str]:
    """Notes for the report of an import on the subjects that were bound, and on those that were left."""
    notes = [f"{bound.subjects} subjects whose pictures look like copies were bound into {bound.groups}."]
    if bound.across_splits:
        notes.append(
            f"{bound.across_splits} groups of such subjects stand in several splits, which the source or the "
            "project gives; they were left. `rounds near-copies group` moves those that nothing rests on."
        )
    if bound.in_use:
        notes.append(f"{bound.in_use} groups of such subjects are in use by a snapshot or a worklist; left as is.")
    return notes
