"""Conduct a study in a project: build the arms, run and compare them, write the report."""

import shutil
from collections.abc import Callable
from datetime import datetime
from typing import Any

from curation.errors import Diverged
from curation.jobs import utc_now
from curation.locks import being_made
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import find_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import Split
from train.adaptation.seen import find_withdrawals_behind
from train.evaluation.records import count_openings, record_opening
from train.fitting.timing import tell_estimate
from train.study.arms import build_arms, check_arm_names
from train.study.plan import ReportFacts
from train.study.records import close_study, fail_study, find_open_study, open_study
from train.study.report import write_report
from train.study.request import StudyRequest
from train.study.run import run_study


def conduct_study(
    project: Project,
    request: StudyRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    made_by: str,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run every arm and seed of the plan and return the result; what an earlier call has finished is not repeated.

    `made_by` is the command, for the report; `say` is given an estimate of the time before the first run. The row of
    the study is opened when nothing stands against it. Raises Conflict when the name stands for another plan or another
    process is at it, and whatever `build_arms` and `run_study` raise; the row of a study that diverged is failed, and
    its name is free.
    """
    check_arm_names(request.plan.name, request.plan.arms)
    with being_made(project, "study", request.plan.name):
        return _conduct_study(project, request, report, now, made_by, say)


def _conduct_study(
    project: Project,
    request: StudyRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    made_by: str,
    say: Callable[[str], None] | None,
) -> dict[str, Any]:
    plan = request.plan
    with project.database.read() as session:
        study = find_open_study(session, plan)
        earlier_openings = count_openings(session, {"study": study.id} if study else None)
    folders = build_arms(project, plan.name, plan.arms, request.base, now(), report)
    with project.database.read() as session:
        snapshots = [find_snapshot(session, folder.name) for folder in folders.values()]
        withdrawals = find_withdrawals_behind(session, snapshots, plan.adaptation, project.root)

    def open_row() -> None:
        with project.database.write() as session:
            study = open_study(session, now(), plan)
            record_opening(session, project.chain, now(), "study", study.id, Split(plan.split))

    directory = project.directory("studies") / plan.name
    try:
        result = run_study(
            folders,
            plan,
            directory,
            report,
            feature_directory=project.directory("embeddings"),
            allow_affected=request.allow_affected,
            also_affected=withdrawals,
            on_checked=open_row,
            on_estimate=tell_estimate("the study", report, say),
            earlier_openings=earlier_openings,
        ).as_json()
    except Diverged:
        with project.database.write() as session:
            fail_study(session, plan.name)
        shutil.rmtree(directory, ignore_errors=True)
        raise
    write_report(directory, _report_facts(list(folders.values()), made_by, now()))
    with project.database.write() as session:
        close_study(session, project.chain, now(), plan.name, result)
    return result


def _report_facts(folders: list[SnapshotFolder], made_by: str, now: datetime) -> ReportFacts:
    """Collect who read the images of the arms, what command ran, and when."""
    readings = [folder.lineage["readings"] for folder in folders]
    return ReportFacts(
        human_readings=max(counts["human"] for counts in readings),
        proxy_readings=max(counts["proxy"] for counts in readings),
        grid_readings=max(counts.get("grid", 0) for counts in readings),
        made_by=made_by,
        date=now.date().isoformat(),
    )


def run_study_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued study."""
    request = StudyRequest.checked(**payload)
    conduct_study(project, request, report, utc_now, f"rounds study run {request.plan.name} --queue")
