"""Conduct a study in a project: build the arms, run and compare them, write the report."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from curation.jobs import utc_now
from curation.locks import being_made
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.build import find_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import Split
from train.adaptation.seen import find_withdrawals_behind
from train.evaluation.records import record_opening
from train.study.arms import build_arms, check_arm_names
from train.study.plan import ReportFacts
from train.study.records import close_study, open_study
from train.study.report import write_report
from train.study.request import StudyRequest
from train.study.run import run_study


def conduct_study(
    project: Project, request: StudyRequest, report: OnProgress, now: Callable[[], datetime], made_by: str
) -> dict[str, Any]:
    """Run every arm and seed of the plan and return the result; what an earlier call has finished is not repeated.

    `made_by` is the command, for the report. Raises Conflict when the name stands for another plan or another process
    is at it, and whatever `build_arms` and `run_study` raise.
    """
    check_arm_names(request.plan.name, request.plan.arms)
    with being_made(project, "study", request.plan.name):
        return _conduct_study(project, request, report, now, made_by)


def _conduct_study(
    project: Project, request: StudyRequest, report: OnProgress, now: Callable[[], datetime], made_by: str
) -> dict[str, Any]:
    plan = request.plan
    folders = build_arms(project, plan.name, plan.arms, request.base, now(), report)
    with project.database.write() as session:
        snapshots = [find_snapshot(session, folder.name) for folder in folders.values()]
        withdrawals = find_withdrawals_behind(session, snapshots, plan.adaptation)
        refuse_affected(f"study {plan.name!r}", withdrawals, request.allow_affected)
        study = open_study(session, now(), plan)
        record_opening(session, project.chain, now(), "study", study.id, Split(plan.split))
    directory = project.root / study.directory
    result = run_study(
        folders, plan, directory, report, allow_affected=request.allow_affected, also_affected=withdrawals
    ).as_json()
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
