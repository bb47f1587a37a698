"""Rows and events of runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import Conflict, NotFound
from curation.provenance.withdrawn import inherit, remove_marks
from curation.queries import unused_number
from curation.tables.images import BuildStatus
from curation.tables.training import Run, Snapshot
from curation.tables.withdrawals import AffectedKind
from train.adaptation.config import AdaptationConfig


def open_run(session: Session, now: datetime, name: str, snapshot: Snapshot, config: AdaptationConfig) -> Run:
    """Add the row of a run, or find that of the interrupted run; a failed one starts anew with this configuration.

    Raises Conflict for the name of another run.
    """
    run = find_open_run(session, name, snapshot, config)
    if run is not None and run.status != BuildStatus.FAILED:
        return run
    if run is not None:
        remove_marks(session, AffectedKind.RUN, run.id)
    run = run or Run(id=unused_number(session, Run, "run"), name=name, directory=run_directory(name), metrics={})
    run.snapshot_id, run.status, run.created_at = snapshot.id, BuildStatus.BUILDING, now
    run.config, run.config_digest = config.model_dump(mode="json"), config.digest()
    session.add(run)
    session.flush()
    inherit(session, AffectedKind.RUN, run.id, AffectedKind.SNAPSHOT, snapshot.id)
    return run


def find_open_run(session: Session, name: str, snapshot: Snapshot, config: AdaptationConfig) -> Run | None:
    """Find the run of this name, snapshot and configuration; raises Conflict for the name of another run.

    A failed run left nothing, so it is found under any configuration.
    """
    run = session.scalars(select(Run).where(Run.name == name)).one_or_none()
    if run is None or run.status == BuildStatus.FAILED:
        return run
    if (run.snapshot_id, run.config_digest) != (snapshot.id, config.digest()):
        raise Conflict(f"run {name!r} exists with another snapshot or configuration. Choose another --name.")
    return run


def stored_config(session: Session, name: str) -> dict[str, Any] | None:
    """The configuration of a run as it is stored; None without a run of this name."""
    run = session.scalars(select(Run).where(Run.name == name, Run.status != BuildStatus.FAILED)).one_or_none()
    return None if run is None else dict(run.config)


def run_directory(name: str) -> str:
    """The place of a run inside its project."""
    return f"runs/{name}"


def fail_run(session: Session, name: str) -> None:
    """Mark a run failed: it left nothing, and its name may be used again."""
    find_run(session, name).status = BuildStatus.FAILED


def close_run(session: Session, chain: Chain, now: datetime, name: str, metrics: dict[str, Any]) -> None:
    """Mark a run ready with its validation metrics; one that is ready with them stays as it is."""
    run = find_run(session, name)
    if (run.status, run.metrics) == (BuildStatus.READY, metrics):
        return
    with chain.change(session, "run.finished", run, {"config": run.config_digest}, now):
        run.status, run.metrics = BuildStatus.READY, metrics


def list_runs(session: Session) -> Sequence[Run]:
    """Every run, the oldest first."""
    return session.scalars(select(Run).order_by(Run.id)).all()


def find_run(session: Session, name: str) -> Run:
    """Find a run by its name; raises NotFound."""
    run = session.scalars(select(Run).where(Run.name == name)).one_or_none()
    if run is None:
        known = ", ".join(session.scalars(select(Run.name).order_by(Run.id))) or "none yet"
        raise NotFound(f"no run named {name!r}; the runs are: {known}. `rounds train` makes a run.")
    return run
