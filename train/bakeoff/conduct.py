"""Conduct a bake-off in a project: check, tell the time, record the reading, run, report."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from curation.locks import file_lock
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.build import find_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import Split
from train.adaptation.adapt import check_adaptation
from train.adaptation.config import AdaptationConfig
from train.adaptation.seen import find_withdrawals_behind
from train.adaptation.timing import estimate_runs
from train.bakeoff.bake import bake, missing_runs
from train.bakeoff.bench import BakeoffBench
from train.bakeoff.compare import compare
from train.bakeoff.contestants import Contestant, read_contestants
from train.bakeoff.fits import takes_rates
from train.bakeoff.plan import BakeoffPlan, BakeoffRequest
from train.bakeoff.report import write_report
from train.evaluation.records import record_opening
from train.fitting.timing import of_several, tell_estimate

LOCK = ".lock"


def conduct_bakeoff(
    project: Project,
    folder: Path,
    plan: BakeoffPlan,
    request: BakeoffRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    say: Callable[[str], None],
) -> tuple[dict[str, Any], Path]:
    """Run what is missing of the bake-off in `folder`; returns the result and the directory that it was written to.

    `say` is given an estimate of the time, and every contestant that fails. Before test subjects are read it is
    recorded. Raises Busy when another process is at it, BadInput for a file that cannot be used, and what
    `check_adaptation` raises for the backbone.
    """
    contestants = read_contestants(folder, plan, allow_unknown_provenance=request.allow_unknown_provenance)
    busy = f"another process is at the bake-off in {folder} at this moment. Wait for it, or stop it; this one goes on."
    with file_lock(folder / LOCK, busy):
        bench = _open_bench(project, plan, request)
        name = bench.backbone(plan.backbone).name.replace("/", "-")
        out = folder / f"{bench.folder.name}-{name}-{bench.split}"
        out.mkdir(exist_ok=True)
        missing = missing_runs(bench, plan, contestants, out)
        _tell_time(bench, plan, missing, report, say)
        if missing:
            _record(project, plan, request, now)
        result = compare(bench, plan, bake(bench, plan, contestants, out, report, say=say))
        write_report(result, out)
    return result, out


def _open_bench(project: Project, plan: BakeoffPlan, request: BakeoffRequest) -> BakeoffBench:
    """Open the snapshot and the backbone; refuse a leak and what descends from a withdrawn subject."""
    config = AdaptationConfig.checked(
        backbone=plan.backbone, allow_unknown_provenance=request.allow_unknown_provenance
    )  # fmt: skip
    with project.database.read() as session:
        snapshot = find_snapshot(session, plan.snapshot)
        folder = SnapshotFolder.open(project.root / snapshot.directory)
        withdrawals = find_withdrawals_behind(session, [snapshot], config, project.root)
    features = project.directory("embeddings")
    bench = BakeoffBench(folder, request.split, project.root, features)
    backbone = bench.backbone(plan.backbone)
    notes = [*withdrawals, *folder.affected, *Tombstones.read(backbone.directory).notes]
    bench.affected = refuse_affected(f"snapshot {folder.name!r} or its backbone", notes, request.allow_affected)
    check_adaptation(folder, config, backbone)
    return bench


def _tell_time(
    bench: BakeoffBench, plan: BakeoffPlan, missing: list[Contestant], report: OnProgress, say: Callable[[str], None]
) -> None:
    """Say how long what moves weights takes, each as long as full fine-tuning; heads take less than their features."""
    moving = [entry for entry in missing if takes_rates(entry) and not entry.config.method.row.frozen_encoder]
    say(f"{len(missing)} runs to make, {len(moving)} of them move weights of a network")
    if moving:
        entries: dict[str, Any] = plan.entries() | {"adaptation": "full", "start": "probe", "patience": None}
        config = AdaptationConfig.checked(**entries, allow_unknown_provenance=True)
        what = "the bake-off, if each adaptation takes as long as full fine-tuning,"
        tell = of_several(tell_estimate(what, report, say), len(moving))
        tell(estimate_runs([bench.folder], config, bench.backbone(plan.backbone), 1, bench.split))


def _record(project: Project, plan: BakeoffPlan, request: BakeoffRequest, now: Callable[[], datetime]) -> None:
    with project.database.write() as session:
        snapshot = find_snapshot(session, plan.snapshot)
        record_opening(session, project.chain, now(), "snapshot", snapshot.id, Split(request.split))
