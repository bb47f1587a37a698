"""Snapshots: immutable dataset versions, built into a folder, frozen in the database."""

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from curation.errors import Conflict, NotFound
from curation.lineage.withdrawn import generators_of, inherit, marks, refuse_withdrawn_items
from curation.models.images import BuildStatus
from curation.models.training import Snapshot, SnapshotItem
from curation.models.withdrawals import AffectedKind
from curation.project import Project
from curation.snapshots.folder import SPLITS, Report, SnapshotFolder, write_rows
from curation.snapshots.manifest import CHUNK, Plan, plan_snapshot
from curation.snapshots.mix import MixRecipe, approvals


@dataclass(frozen=True, slots=True)
class SnapshotSummary:
    """One line of `rounds snapshot list`."""

    name: str
    digest: str
    status: str
    counts: dict[str, Any]
    readings: int
    stale: bool
    affected: str | None
    created_at: datetime


def build_snapshot(project: Project, name: str, recipe: MixRecipe, now: datetime, report: Report) -> SnapshotFolder:
    """Choose by `recipe`, write the folder, freeze the rows; raises Conflict when `name` stands for another mix.

    The same name and recipe over the same images is the same snapshot and changes nothing.
    """
    with _alone(project.directory("locks") / f"snapshot-{name}.lock"):
        return _build(project, name, recipe, now, report)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the name for this process; the lock is gone with it, however it ends. Raises Conflict."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "this snapshot is being built by someone else at this moment. Wait for it, or choose another name."
            ) from error
        yield


def _build(project: Project, name: str, recipe: MixRecipe, now: datetime, report: Report) -> SnapshotFolder:
    with project.database.read() as session:
        plan = plan_snapshot(session, name, recipe)
    target = project.directory("snapshots") / name
    with project.database.read() as session:
        existing = session.scalars(select(Snapshot).where(Snapshot.name == name)).one_or_none()
    if existing is not None and existing.status == BuildStatus.READY:
        if existing.digest != plan.manifest["digest"]:
            raise Conflict(
                f"snapshot {name!r} exists with other content, and snapshots never change. Choose another name."
            )
        return SnapshotFolder.open(target)
    _write_folder(project, target, plan, report)
    with project.database.write() as session:
        _freeze(session, project, name, recipe, plan, now)
    return SnapshotFolder.open(target)


def _write_folder(project: Project, target: Path, plan: Plan, report: Report) -> None:
    """Write beside the target and rename, so that a folder under its final name is always whole."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        for split in SPLITS:
            write_rows(partial, split, [row for row in plan.rows if row.split == split])
        for done, row in enumerate(plan.rows, 1):
            (partial / row.split / row.file_name).write_bytes(project.store.content(row.file_sha256))
            if done % 50 == 0 or done == len(plan.rows):
                report(done, len(plan.rows), None)
        (partial / "snapshot.json").write_text(json.dumps(plan.manifest, indent=1, sort_keys=True))
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    finally:
        if partial.exists():
            shutil.rmtree(partial)


def _freeze(
    session: Session,
    project: Project,
    name: str,
    recipe: MixRecipe,
    plan: Plan,
    now: datetime,
) -> None:
    if session.scalars(select(Snapshot.id).where(Snapshot.name == name)).first() is not None:
        raise Conflict(f"snapshot {name!r} was built by someone else meanwhile. Choose another name.")
    snapshot = Snapshot(
        name=name,
        directory=f"snapshots/{name}",
        digest=plan.manifest["digest"],
        recipe=recipe.model_dump(mode="json"),
        status=BuildStatus.READY,
        counts=plan.manifest["counts"],
        reading_ids=plan.manifest["lineage"]["readings"]["ids"],
        created_at=now,
    )
    session.add(snapshot)
    session.flush()
    for start in range(0, len(plan.items), CHUNK):
        session.execute(
            insert(SnapshotItem), [{"snapshot_id": snapshot.id, **item} for item in plan.items[start : start + CHUNK]]
        )
    session.flush()
    refuse_withdrawn_items(session, snapshot.id)
    for generator_id in generators_of(session, snapshot.id):
        inherit(session, AffectedKind.SNAPSHOT, snapshot.id, AffectedKind.GENERATOR, generator_id)
    project.chain.record(session, "snapshot.built", {"snapshot": snapshot.id, "digest": plan.manifest["digest"]}, now)


def find_snapshot(session: Session, name: str) -> Snapshot:
    """The snapshot called `name`; raises NotFound."""
    snapshot = session.scalars(select(Snapshot).where(Snapshot.name == name)).one_or_none()
    if snapshot is None:
        raise NotFound(f"no snapshot named {name!r}. `rounds snapshot list` shows those there are.")
    return snapshot


def list_snapshots(session: Session) -> list[SnapshotSummary]:
    """Every snapshot, newest last, with whether later readings have made it stale, or a withdrawal reaches it."""
    affected = marks(session, AffectedKind.SNAPSHOT)
    return [
        SnapshotSummary(
            name=snapshot.name,
            digest=(snapshot.digest or "")[:12],
            status=snapshot.status.value,
            counts={split: sum(labels.values()) for split, labels in snapshot.counts.items()},
            readings=len(snapshot.reading_ids),
            stale=_is_stale(session, snapshot),
            affected=affected.get(snapshot.id),
            created_at=snapshot.created_at,
        )
        for snapshot in session.scalars(select(Snapshot).order_by(Snapshot.id))
    ]


def _is_stale(session: Session, snapshot: Snapshot) -> bool:
    """Whether the outcomes it took rest on other readings now."""
    recipe = MixRecipe.model_validate(snapshot.recipe)
    if recipe.synthetic != "approved":
        return False
    current = {
        reading for approval in approvals(session, recipe.worklists).values() for reading in approval.reading_ids
    }
    return current != set(snapshot.reading_ids)
