"""Remove a run, a study, a snapshot, a generator or a backbone: its files and rows go, an event stays.

What something still descends from stays, and so does what is being made or waited for. The folder is set aside first,
then one transaction removes the rows and records the event, then the files go: killed in between, the same command
finishes it, or `rounds verify` lists what was set aside as unfinished.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from curation.audit import BEFORE, Chain
from curation.digests import digest_of
from curation.errors import Conflict, NotFound
from curation.files import partial_path
from curation.jobs import open_jobs_naming
from curation.lineage.down import DOWN
from curation.lineage.graph import NodeKind
from curation.locks import being_made
from curation.project import Project
from curation.removal.unfinished import list_unfinished_fits
from curation.requests import NAME
from curation.tables.generation import Generator, GeneratorPixels, GeneratorSubject
from curation.tables.measures import SetMeasurement
from curation.tables.operations import Event
from curation.tables.training import AddedBackbone, Evaluation, Run, Snapshot, SnapshotItem, Study
from curation.tables.withdrawals import Affected, AffectedKind
from curation.vector_files import remove_features

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class _Removable:
    """One kind of thing: its table, the rows that are parts of it, where its folders lie, and its digest."""

    table: Any
    parts: tuple[Any, ...]  # columns that refer to it, of rows that go with it
    affected: AffectedKind | None  # None: no withdrawal is marked on its kind
    folders: str
    digest: Callable[[Any], str | None]


REMOVABLE = {
    NodeKind.RUN: _Removable(Run, (Evaluation.run_id,), AffectedKind.RUN, "runs", lambda row: row.config_digest),
    NodeKind.STUDY: _Removable(Study, (), AffectedKind.STUDY, "studies", lambda row: row.plan_digest),
    NodeKind.SNAPSHOT: _Removable(
        Snapshot, (SnapshotItem.snapshot_id,), AffectedKind.SNAPSHOT, "snapshots", lambda row: row.digest
    ),
    NodeKind.BACKBONE: _Removable(AddedBackbone, (), None, "backbones", lambda row: row.digest),
    NodeKind.GENERATOR: _Removable(
        Generator,
        (GeneratorSubject.generator_id, GeneratorPixels.generator_id),
        AffectedKind.GENERATOR,
        "generators",
        lambda row: row.weights_digest,
    ),
}


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes: the folder, its files and their size."""

    kind: NodeKind
    name: str
    folder: Path | None
    files: int
    size_bytes: int


def plan_removal(project: Project, kind: NodeKind, name: str) -> Removal:
    """Say what would go; raises NotFound, or Conflict that names what still descends from it or waits for it."""
    with project.database.read() as session:
        row = _find_row(session, kind, name)
        folder = _folder(project, kind, name, row)
        if row is None and folder is None:
            raise NotFound(f"no {kind} named {name!r}. `rounds {kind} list` shows those there are.")
        _refuse_in_use(project, session, kind, name, row)
    files = [path for path in folder.rglob("*") if path.is_file()] if folder else []
    return Removal(kind, name, folder, len(files), sum(path.stat().st_size for path in files))


def remove(project: Project, now: datetime, kind: NodeKind, name: str) -> Removal:
    """Remove it; raises what `plan_removal` raises, and Conflict while another process makes it."""
    with being_made(project, kind, name):
        removal = plan_removal(project, kind, name)
        aside = partial_path(removal.folder) if removal.folder else None
        if removal.folder and aside:
            removal.folder.rename(aside)
        try:
            with project.database.write() as session:
                row = _find_row(session, kind, name)
                _refuse_in_use(project, session, kind, name, row)
                payload = {"name": digest_of(name), "files": removal.files} | _remove_rows(
                    session, project.chain, kind, row
                )
                project.chain.record(session, f"{kind}.removed", payload, now)
        except BaseException:
            if removal.folder and aside:
                aside.rename(removal.folder)
            raise
        if removal.folder and aside:
            shutil.rmtree(aside)
            remove_features(project.root / "embeddings", removal.folder.relative_to(project.root).as_posix())
    return removal


def _find_row(session: Session, kind: NodeKind, name: str) -> Any:
    table = REMOVABLE[kind].table
    return session.scalars(select(table).where(table.name == name)).one_or_none()


def _folder(project: Project, kind: NodeKind, name: str, row: Any) -> Path | None:
    """Find its folder, also that of an interrupted fit without a row; shipped weights are not the project's."""
    if row is not None and row.directory == SHIPPED:
        return None
    if row is None and not NAME.fullmatch(name):
        return None
    parent = project.root / REMOVABLE[kind].folders
    folder = parent / name if row is None else project.root / row.directory
    return folder if folder.parent == parent and folder.is_dir() else None


def _refuse_in_use(project: Project, session: Session, kind: NodeKind, name: str, row: Any) -> None:
    below = list(_descendants(session, kind, name, row)) if row is not None else []
    if kind is NodeKind.SNAPSHOT:
        fits = list_unfinished_fits(session, project.root)
        below += [f"the unfinished fit of generator {fit.name}" for fit in fits if fit.snapshot == name]
    below += [f"job {job.id} ({job.kind}, {job.status})" for job in open_jobs_naming(session, kind, name)]
    if below:
        raise Conflict(
            f"{kind} {name!r} stays: {', '.join(below)} {'rests' if len(below) == 1 else 'rest'} on it. Remove what "
            "rests on it first (`rounds lineage` shows it), or cancel the job."
        )


def _descendants(session: Session, kind: NodeKind, name: str, row: Any) -> Iterator[str]:
    """Name what descends from it; its own reports go with it."""
    for step in DOWN[kind](session, name):
        if step.ref.kind is not NodeKind.REPORT:
            yield f"{step.ref.kind} {step.ref.key}"
    if kind is NodeKind.SNAPSHOT:
        for measurement in session.scalars(select(SetMeasurement).order_by(SetMeasurement.id)):
            if measurement.request.get("snapshot") == name:
                yield f"measurement {measurement.id}"
        for event in session.scalars(select(Event).where(Event.kind == "export").order_by(Event.sequence)):
            if event.payload["snapshot"] == row.id:
                yield f"the export of {event.at:%Y-%m-%d}"


def _remove_rows(session: Session, chain: Chain, kind: NodeKind, row: Any) -> dict[str, Any]:
    """Remove the row, its parts and the marks of withdrawals; return what the event says of them."""
    if row is None:
        return {}
    removable = REMOVABLE[kind]
    facts = {str(kind): row.id, "digest": removable.digest(row), BEFORE: chain.content(session, type(row), row.id)}
    if kind is NodeKind.RUN:
        parts = select(Evaluation.id).where(Evaluation.run_id == row.id).order_by(Evaluation.id)
        facts["evaluations"] = list(session.scalars(parts))
    for column in removable.parts:
        session.execute(delete(column.class_).where(column == row.id))
    if removable.affected is not None:
        marks = (Affected.kind == removable.affected, Affected.target_id == row.id)
        session.execute(delete(Affected).where(*marks))
    session.delete(row)
    return facts
