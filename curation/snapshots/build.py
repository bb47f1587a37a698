"""Build a snapshot: write its folder, freeze its rows in the database."""

import json
import shutil
from datetime import datetime
from pathlib import Path

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from curation.audit import MEMBERS
from curation.errors import Conflict, NotFound, RoundsError
from curation.files import whole_folder
from curation.locks import file_lock
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.withdrawn import generators_of, inherit, refuse_withdrawn_items
from curation.queries import unused_number
from curation.requests import check_name
from curation.snapshots.folder import SPLITS, SnapshotFolder, write_rows_in_order
from curation.snapshots.manifest import Plan, planned
from curation.snapshots.mix import MixRecipe
from curation.snapshots.stale import SnapshotSummary as SnapshotSummary
from curation.snapshots.stale import list_snapshots as list_snapshots
from curation.tables.images import BuildStatus
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import AffectedKind

REPORT_EVERY = 500
_BUSY = "this snapshot is being built by someone else at this moment. Wait for it, or choose another name."


def build_snapshot(project: Project, name: str, recipe: MixRecipe, now: datetime, report: OnProgress) -> SnapshotFolder:
    """Choose by `recipe`, write the folder, freeze the rows; raises Conflict when `name` stands for another mix.

    The same name and recipe over the same images is the same snapshot and changes nothing. A build that was killed
    counts for nothing, and the next one of its name takes its place; one that is still going on is a Conflict.
    """
    target = project.directory("snapshots") / check_name(name, "snapshot")
    with (
        file_lock(project.directory("locks") / f"snapshot-{name}.lock", _BUSY),
        project.database.read() as session,
        planned(session, name, recipe) as plan,
    ):
        session.rollback()  # the choice is on disk: hold no view of the database open while files are written
        with project.database.read() as later:
            ready = select(Snapshot).where(Snapshot.name == name, Snapshot.status == BuildStatus.READY)
            existing = later.scalars(ready).one_or_none()
        if existing is not None:
            if existing.digest != plan.manifest["digest"]:
                raise Conflict(
                    f"snapshot {name!r} exists with other content, and snapshots never change. Choose another name."
                )
            return SnapshotFolder.open(target)
        _build(project, target, recipe, plan, now, report)
    return SnapshotFolder.open(target)


def _build(project: Project, target: Path, recipe: MixRecipe, plan: Plan, now: datetime, report: OnProgress) -> None:
    snapshot_id = _claim(project, target.name, recipe, plan, now)
    try:
        _write_folder(project, target, plan, report)
        _freeze(project, snapshot_id, plan, now)
    except IntegrityError as error:
        raise Conflict(f"snapshot {target.name!r} was built by someone else meanwhile. Choose another name.") from error
    except OSError as error:
        raise RoundsError(
            f"snapshot {target.name!r} could not be written to {error.filename or target.parent}: {error.strerror}."
            " Nothing of it counts. Free some space or make the directory writable, then build it again."
        ) from error


def _claim(project: Project, name: str, recipe: MixRecipe, plan: Plan, now: datetime) -> int:
    """Write the parent row, `building`, after removing what a killed build of this name left."""
    with project.database.write() as session:
        is_dead = and_(Snapshot.name == name, Snapshot.status != BuildStatus.READY)
        session.execute(delete(SnapshotItem).where(SnapshotItem.snapshot_id.in_(select(Snapshot.id).where(is_dead))))
        session.execute(delete(Snapshot).where(is_dead))
        snapshot = Snapshot(
            id=unused_number(session, Snapshot, "snapshot"),
            name=name,
            directory=f"snapshots/{name}",
            digest=plan.manifest["digest"],
            recipe=recipe.model_dump(mode="json"),
            status=BuildStatus.BUILDING,
            counts=plan.manifest["counts"],
            reading_ids=plan.manifest["lineage"]["readings"]["ids"],
            outcomes_digest=plan.pool.outcomes_digest,
            created_at=now,
        )
        session.add(snapshot)
        session.flush()
        return snapshot.id


def _write_folder(project: Project, target: Path, plan: Plan, report: OnProgress) -> None:
    """Write the folder, which appears under its name whole or not at all."""
    for left in target.parent.glob(f".{target.name}.*.part"):
        shutil.rmtree(left)
    done, total = 0, plan.size
    with whole_folder(target) as partial:
        for split in SPLITS:
            write_rows_in_order(partial, split, plan.rows(split))
            for row in plan.rows(split):
                project.store.place(row.file_sha256, partial / split / row.file_name)
                done += 1
                if done % REPORT_EVERY == 0 or done == total:
                    report(done, total, None)
        with (partial / "snapshot.json").open("w") as file:
            json.dump(plan.manifest, file, indent=1, sort_keys=True)
        if target.exists():
            shutil.rmtree(target)


def _freeze(project: Project, snapshot_id: int, plan: Plan, now: datetime) -> None:
    """Write the rows in short transactions; the last one makes the snapshot count."""
    for chunk in plan.items():
        with project.database.write() as session:
            session.execute(insert(SnapshotItem), [{"snapshot_id": snapshot_id, **item} for item in chunk])
    with project.database.read() as session:
        members = project.chain.members(session, Snapshot, snapshot_id)
    with project.database.write() as session:
        ready = update(Snapshot).where(Snapshot.id == snapshot_id, Snapshot.status == BuildStatus.BUILDING)
        if not session.execute(ready.values(status=BuildStatus.READY).returning(Snapshot.id)).all():
            raise Conflict("the snapshot was built by someone else meanwhile. Choose another name.")
        refuse_withdrawn_items(session, snapshot_id)
        for generator_id in generators_of(session, snapshot_id):
            inherit(session, AffectedKind.SNAPSHOT, snapshot_id, AffectedKind.GENERATOR, generator_id)
        payload = {"digest": plan.manifest["digest"], MEMBERS: members}
        snapshot = session.get_one(Snapshot, snapshot_id)
        project.chain.record_row(session, "snapshot.built", snapshot, payload, now)


def find_snapshot(session: Session, name: str) -> Snapshot:
    """Find the finished snapshot called `name`; raises NotFound."""
    snapshot = session.scalars(select(Snapshot).where(Snapshot.name == name)).one_or_none()
    if snapshot is None:
        raise NotFound(f"no snapshot named {name!r}. `rounds snapshot list` shows those there are.")
    if snapshot.status is not BuildStatus.READY:
        raise NotFound(f"the build of snapshot {name!r} has not finished. Build it again: `rounds snapshot build`.")
    return snapshot


def open_snapshot(project: Project, name: str) -> SnapshotFolder:
    """Open the folder of the finished snapshot called `name`; raises NotFound."""
    with project.database.read() as session:
        return SnapshotFolder.open(project.root / find_snapshot(session, name).directory)
