"""Rows and events of studies."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import Conflict, NotFound
from curation.lineage.descent import arm_snapshots
from curation.provenance.withdrawn import inherit, remove_marks
from curation.queries import unused_number
from curation.tables.images import BuildStatus
from curation.tables.training import Snapshot, Study
from curation.tables.withdrawals import AffectedKind
from train.study.plan import StudyPlan


def open_study(session: Session, now: datetime, plan: StudyPlan) -> Study:
    """Add the row of a study, or find that of the interrupted study; a failed one starts anew with this plan.

    Raises Conflict for the name of another plan.
    """
    study = find_open_study(session, plan)
    if study is not None and study.status != BuildStatus.FAILED:
        return study
    if study is not None:
        remove_marks(session, AffectedKind.STUDY, study.id)
    study = study or Study(
        id=unused_number(session, Study, "study"), name=plan.name, directory=study_directory(plan.name), result={}
    )
    study.plan, study.plan_digest = plan.model_dump(mode="json"), plan.digest()
    study.status, study.created_at = BuildStatus.BUILDING, now
    session.add(study)
    session.flush()
    for snapshot_id in session.scalars(select(Snapshot.id).where(Snapshot.name.in_(arm_snapshots(study)))).all():
        inherit(session, AffectedKind.STUDY, study.id, AffectedKind.SNAPSHOT, snapshot_id)
    return study


def find_open_study(session: Session, plan: StudyPlan) -> Study | None:
    """Find the study of this plan; raises Conflict for the name of another plan.

    A failed study left nothing, so it is found under any plan.
    """
    study = session.scalars(select(Study).where(Study.name == plan.name)).one_or_none()
    if study is None or study.status == BuildStatus.FAILED:
        return study
    if study.plan_digest != plan.digest():
        raise Conflict(f"study {plan.name!r} exists with another plan. Choose another name.")
    return study


def stored_adaptation(session: Session, name: str) -> dict[str, Any] | None:
    """The configuration of a study's runs as it is stored; None without a study of this name."""
    study = session.scalars(select(Study).where(Study.name == name)).one_or_none()
    return None if study is None else dict(study.plan.get("adaptation", {}))


def replicates_of_study(session: Session, name: str) -> tuple[int, bool] | None:
    """How many replicates a study has and whether they redraw what they train on; None without a study of this name."""
    study = session.scalars(select(Study).where(Study.name == name)).one_or_none()
    return None if study is None else (len(study.plan["seeds"]), study.plan.get("redraw", "none") != "none")


def find_study(session: Session, name: str) -> Study:
    """Find a study by its name; raises NotFound."""
    study = session.scalars(select(Study).where(Study.name == name)).one_or_none()
    if study is None:
        known = ", ".join(session.scalars(select(Study.name).order_by(Study.id))) or "none yet"
        raise NotFound(
            f"no study named {name!r} has begun; the studies are: {known}. The same command continues one that was "
            "stopped while its snapshots were built."
        )
    return study


def study_directory(name: str) -> str:
    """The place of a study inside its project."""
    return f"studies/{name}"


def fail_study(session: Session, name: str) -> None:
    """Mark a study failed: it left nothing, and its name may be used again."""
    find_study(session, name).status = BuildStatus.FAILED


def close_study(session: Session, chain: Chain, now: datetime, name: str, result: dict[str, Any]) -> None:
    """Mark a study ready with its result; one that is ready with it stays as it is."""
    study = find_study(session, name)
    if (study.status, study.result) == (BuildStatus.READY, result):
        return
    with chain.change(session, "study.finished", study, {"plan": study.plan_digest}, now):
        study.status, study.result = BuildStatus.READY, result


def list_studies(session: Session) -> Sequence[Study]:
    """Every study, the oldest first."""
    return session.scalars(select(Study).order_by(Study.id)).all()
