"""Take a withdrawn subject out of the runs that keep sums, which are whole again then.

How it is done only the floor above knows; it is passed in as `SummedRuns`. A killed withdrawal is finished by running
it again: the run is found by its mark, and what was taken out is not taken out twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.locks import being_made
from curation.project import Project
from curation.tables.images import Image
from curation.tables.near_copies import SubjectAlias
from curation.tables.training import Run
from curation.tables.withdrawals import Affected, AffectedKind

SUBTRACTED = "run.subject_subtracted"


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who leaves: the keys of the subject, and the pixels of its images, altered ones among them."""

    subjects: frozenset[str]
    pixel_sha256: frozenset[str]

    @classmethod
    def of(cls, session: Session, descent: Descent) -> Self:
        """Look up the subject of a descent."""
        aliases = session.scalars(select(SubjectAlias.key).where(SubjectAlias.subject_id == descent.subject.id))
        pixels = session.scalars(select(Image.pixel_sha256).where(Image.id.in_(descent.removed)))
        return cls(frozenset({descent.subject.key, *aliases}), frozenset(pixels))


class SummedRuns(Protocol):
    """How a subject leaves the sums of a run."""

    def can_take_out(self, directory: Path, leaving: Leaving) -> bool:
        """Tell whether the run is whole without the subject once it is taken out of its sums."""
        ...

    def take_out(self, directory: Path, leaving: Leaving, withdrawal: int) -> dict[str, Any]:
        """Take the subject out, and return the validation metrics of what is left. Repeating it changes nothing."""
        ...


def runs_to_subtract_from(session: Session, root: Path, descent: Descent, sums: SummedRuns | None) -> frozenset[int]:
    """Find the runs that are whole again once the subject is taken out of their sums."""
    if sums is None:
        return frozenset()
    leaving = Leaving.of(session, descent)
    directories = {row.id: root / session.get_one(Run, row.id).directory for row in descent.runs}
    return frozenset(number for number, place in directories.items() if sums.can_take_out(place, leaving))


def subtract(
    project: Project, now: datetime, withdrawal: int, descent: Descent, sums: SummedRuns | None
) -> Iterator[Run]:
    """Take the subject out of each marked run that can be whole without it, remove the mark, and record it."""
    if sums is None:
        return
    with project.database.read() as session:
        leaving = Leaving.of(session, descent)
        marked = select(Affected.target_id).where(
            Affected.withdrawal_id == withdrawal, Affected.kind == AffectedKind.RUN
        )
        runs = session.scalars(select(Run).where(Run.id.in_(marked)).order_by(Run.id)).all()
    for run in runs:
        directory = project.root / run.directory
        if not sums.can_take_out(directory, leaving):
            continue
        with being_made(project, "run", run.name):
            metrics = sums.take_out(directory, leaving, withdrawal)
            with project.database.write() as session:
                _record(session, project, now, withdrawal, run.id, metrics)
        yield run


def _record(
    session: Session, project: Project, now: datetime, withdrawal: int, run_id: int, metrics: dict[str, Any]
) -> None:
    session.execute(
        delete(Affected).where(
            Affected.withdrawal_id == withdrawal, Affected.kind == AffectedKind.RUN, Affected.target_id == run_id
        )
    )
    run = session.get_one(Run, run_id)
    with project.chain.change(session, SUBTRACTED, run, {"withdrawal": withdrawal}, now):
        run.metrics = metrics
