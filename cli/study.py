"""`rounds study`: did curation help, with intervals."""

import sys
from typing import Any, Literal

import click
from sqlalchemy import select

from cli.snapshot_notes import stale_snapshots
from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.withdrawn import marks, refuse_affected
from curation.snapshots.build import find_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Split
from curation.tables.training import Study
from curation.tables.withdrawals import AffectedKind


@click.group()
def study() -> None:
    """Compare real images only with synthetic arms, over seeds, on held-out real subjects.

    \b
    Example:
      rounds study run first --real-per-class 20
    """


@study.command("run")
@click.argument("name")
@click.option(
    "--adaptation", type=click.Choice(["linear-probe", "lora", "full"]), default="linear-probe", show_default=True
)
@click.option("--backbone", default="shipped", show_default=True, help="`shipped`, a Hugging Face id or a directory.")
@click.option(
    "--arm", "arms", multiple=True, help="Which arms; without it, all that can be built from real and approved."
)
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="How many training seeds.")
@click.option(
    "--steps", type=click.IntRange(1), default=400, show_default=True, help="Optimiser steps, equal in every arm."
)
@click.option("--real-per-class", type=click.IntRange(1), help="Keep this many real training images per class.")
@click.option("--worklist", "worklists", multiple=True, help="Whose outcomes count; without it, all of them.")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option(
    "--allow-unknown-provenance", is_flag=True, help="Take backbones and generators that do not say what they saw."
)
@click.option(
    "--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject; the report will say so."
)
@json_option
@pass_project
def run_command(
    project: Project,
    name: str,
    adaptation: Literal["linear-probe", "lora", "full"],
    backbone: str,
    arms: tuple[str, ...],
    seeds: int,
    steps: int,
    real_per_class: int | None,
    worklists: tuple[str, ...],
    split: Literal["test", "validation"],
    allow_unknown_provenance: bool,
    allow_affected: bool,
    as_json: bool,
) -> None:
    """Run study NAME and write its report: a table, a plot, and one careful sentence.

    Arms: real_only, plus_raw, plus_approved, plus_random (as many as approved, drawn at random),
    plus_duplicated_real and plus_reserve_real (as many real ones). Interrupted, it goes on where it was.

    \b
    Example:
      rounds study run first --real-per-class 20
    """
    from train.config import ARMS, AdaptationConfig, StudyPlan

    plan = StudyPlan(
        name=name,
        adaptation=AdaptationConfig(
            adaptation=adaptation,
            backbone=backbone,
            steps=steps,
            allow_unknown_provenance=allow_unknown_provenance,
        ),
        arms=arms or ARMS,
        seeds=tuple(range(seeds)),
        split=split,
    )
    base = MixRecipe(
        real_per_class=real_per_class, worklists=worklists, allow_unknown_provenance=allow_unknown_provenance
    )
    use_torch_threads(project.settings.torch_threads)
    with progress_bar(f"study {name}", quiet=as_json) as report:
        result = run_whole_study(project, plan, base, report, allow_affected)
    if as_json:
        emit(result, as_json)
    else:
        click.echo((project.root / "studies" / name / "report.md").read_text())
        click.echo(f"report: {project.root / 'studies' / name / 'report.md'}")


def run_whole_study(
    project: Project, plan: Any, base: MixRecipe, report: OnProgress, allow_affected: bool = False
) -> dict[str, Any]:
    """Build the arms, open the held-out split on record, run every arm and seed, write rows and report."""
    from train.affected import withdrawals_behind
    from train.config import ReportFacts
    from train.records import close_study, open_study, record_opening
    from train.study.arms import build_arms
    from train.study.report import write_report
    from train.study.run import run_study

    folders = build_arms(project, plan.name, plan.arms, base, now(), report)
    stale_snapshots(project, [folder.name for folder in folders.values()])
    with project.database.write() as session:
        snapshots = [find_snapshot(session, folder.name) for folder in folders.values()]
        reached = withdrawals_behind(session, snapshots, plan.adaptation)
        refuse_affected(f"study {plan.name!r}", reached, allow_affected)
        row = open_study(session, now(), plan)
        record_opening(session, project.chain, now(), "study", row.id, Split(plan.split))
    directory = project.root / row.directory
    found = run_study(folders, plan, directory, report, allow_affected=allow_affected, also_affected=reached)
    result = found.as_json()
    readings = [folder.lineage["readings"] for folder in folders.values()]
    facts = ReportFacts(
        human_readings=max(one["human"] for one in readings),
        proxy_readings=max(one["proxy"] for one in readings),
        grid_readings=max(one.get("grid", 0) for one in readings),
        made_by=f"rounds {' '.join(sys.argv[1:])}",
        date=now().date().isoformat(),
    )
    write_report(directory, facts)
    with project.database.write() as session:
        close_study(session, project.chain, now(), plan.name, result)
    return result


@study.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List studies.

    \b
    Example:
      rounds study list
    """
    with project.database.read() as session:
        reached = marks(session, AffectedKind.STUDY)
        rows = [
            {
                "name": one.name,
                "status": one.status.value,
                "arms": one.plan["arms"],
                "seeds": len(one.plan["seeds"]),
                "report": f"{one.directory}/report.md",
                "withdrawals": reached.get(one.id),
            }
            for one in session.scalars(select(Study).order_by(Study.id))
        ]
    emit(rows, as_json, title="studies")
