"""Rows and events of runs, evaluations and studies; each opening of a held-out split is an event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import Conflict, NotFound
from curation.lineage.descent import arm_snapshots
from curation.provenance.withdrawn import inherit
from curation.tables.images import BuildStatus, Split
from curation.tables.training import Evaluation, Run, Snapshot, Study
from curation.tables.withdrawals import AffectedKind
from train.adaptation.config import AdaptationConfig
from train.study.plan import StudyPlan


def open_run(session: Session, now: datetime, name: str, snapshot: Snapshot, config: AdaptationConfig) -> Run:
    """Add the row of a run, or find that of the interrupted run; raises Conflict for the name of another run."""
    run = find_open_run(session, name, snapshot, config)
    if run is not None:
        return run
    run = Run(
        name=name,
        snapshot_id=snapshot.id,
        config=config.model_dump(mode="json"),
        config_digest=config.digest(),
        directory=f"runs/{name}",
        status=BuildStatus.BUILDING,
        metrics={},
        created_at=now,
    )
    session.add(run)
    session.flush()
    inherit(session, AffectedKind.RUN, run.id, AffectedKind.SNAPSHOT, snapshot.id)
    return run


def find_open_run(session: Session, name: str, snapshot: Snapshot, config: AdaptationConfig) -> Run | None:
    """Find the run of this name, snapshot and configuration; raises Conflict for the name of another run."""
    run = session.scalars(select(Run).where(Run.name == name)).one_or_none()
    if run is not None and (run.snapshot_id, run.config_digest) != (snapshot.id, config.digest()):
        raise Conflict(f"run {name!r} exists with another snapshot or configuration. Choose another --name.")
    return run


def close_run(session: Session, chain: Chain, now: datetime, name: str, metrics: dict[str, Any]) -> None:
    """Mark a run ready with its validation metrics; one that is ready with them stays as it is."""
    run = find_run(session, name)
    if (run.status, run.metrics) == (BuildStatus.READY, metrics):
        return
    run.status, run.metrics = BuildStatus.READY, metrics
    chain.record(session, "run.finished", {"run": run.id, "config": run.config_digest}, now)


def find_run(session: Session, name: str) -> Run:
    """Find a run by its name; raises NotFound."""
    run = session.scalars(select(Run).where(Run.name == name)).one_or_none()
    if run is None:
        known = ", ".join(session.scalars(select(Run.name).order_by(Run.id))) or "none yet"
        raise NotFound(f"no run named {name!r}; the runs are: {known}. `rounds train` makes a run.")
    return run


def record_opening(session: Session, chain: Chain, now: datetime, reader_kind: str, row_id: int, split: Split) -> None:
    """Record that a held-out split is about to be read; `reader_kind` is `run` or `study`."""
    chain.record(session, "test.opened" if split == Split.TEST else "validation.read", {reader_kind: row_id}, now)


def record_evaluation(session: Session, now: datetime, run: Run, split: Split, metrics: dict[str, Any]) -> None:
    """Keep the metrics of one reading of a held-out split."""
    session.add(Evaluation(run_id=run.id, split=split, metrics=metrics, created_at=now))


def open_study(session: Session, now: datetime, plan: StudyPlan) -> Study:
    """Add the row of a study, or find that of the interrupted study; raises Conflict for the name of another plan."""
    study = find_open_study(session, plan)
    if study is not None:
        return study
    study = Study(
        name=plan.name,
        plan=plan.model_dump(mode="json"),
        plan_digest=plan.digest(),
        directory=f"studies/{plan.name}",
        status=BuildStatus.BUILDING,
        result={},
        created_at=now,
    )
    session.add(study)
    session.flush()
    for snapshot_id in session.scalars(select(Snapshot.id).where(Snapshot.name.in_(arm_snapshots(study)))).all():
        inherit(session, AffectedKind.STUDY, study.id, AffectedKind.SNAPSHOT, snapshot_id)
    return study


def find_open_study(session: Session, plan: StudyPlan) -> Study | None:
    """Find the study of this plan; raises Conflict for the name of another plan."""
    study = session.scalars(select(Study).where(Study.name == plan.name)).one_or_none()
    if study is not None and study.plan_digest != plan.digest():
        raise Conflict(f"study {plan.name!r} exists with another plan. Choose another name.")
    return study


def close_study(session: Session, chain: Chain, now: datetime, name: str, result: dict[str, Any]) -> None:
    """Mark a study ready with its result; one that is ready with it stays as it is."""
    study = session.scalars(select(Study).where(Study.name == name)).one()
    if (study.status, study.result) == (BuildStatus.READY, result):
        return
    study.status, study.result = BuildStatus.READY, result
    chain.record(session, "study.finished", {"study": study.id, "plan": study.plan_digest}, now)


def list_studies(session: Session) -> Sequence[Study]:
    """Every study, the oldest first."""
    return session.scalars(select(Study).order_by(Study.id)).all()
