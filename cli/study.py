"""`rounds study`: test whether curated synthetic images help, with intervals."""

from typing import Any, Literal

import click

from cli.adaptation_options import adaptation_options, adaptation_values
from cli.backbone_option import backbone_option
from cli.numbers import EFFECT, IMAGES, LEARNING_RATE, STEPS
from cli.option_groups import GroupedCommand, option_of
from cli.removal import remove_command
from cli.resume import refuse_beside_resume, resume_option
from cli.snapshot_notes import stale_snapshots, warn_of_mixed_scales
from cli.terminal import (
    emit,
    emit_queued,
    json_option,
    now,
    pass_project,
    progress_bar,
    queue_option,
    tell,
    this_command,
    use_torch_threads,
)
from cli.training_options import OPTIMISER_GROUP, training_options, training_values
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.provenance.withdrawn import affected_notes
from curation.snapshots.build import open_snapshot
from curation.snapshots.mix import MixRecipe
from curation.status import state_of
from curation.tables.withdrawals import AffectedKind


@click.group()
def study() -> None:
    """Compare training on real images with training on added synthetic ones, on held-out real subjects.

    \b
    Example:
      rounds study run first --real-per-class 20
    """


study.add_command(remove_command(NodeKind.STUDY))


@study.command("run", cls=GroupedCommand)
@click.argument("name", required=False)
@resume_option("study")
@adaptation_options()
@training_options(stops=False)
@backbone_option("The backbone to adapt")
@click.option(
    "--arm", "arms", multiple=True, help="An arm. Repeat it for several. Default: all that need no reserve subjects."
)
@click.option(
    *("--replicates", "--seeds", "seeds"),
    type=click.IntRange(1, 1_000),
    help="How many fits per arm. Default: 10, and for a study that there is already, its own.",
)
@click.option(
    "--redraw/--no-redraw",
    default=None,
    help="Train each replicate on one half of the training subjects and synthetic images, drawn anew. Without it no "
    "gain is claimed. Default: --redraw, and for a study that there is already, its own.",
)
@click.option(
    "--smallest-effect",
    type=EFFECT,
    help="The smallest gain of interest: the report says whether it is excluded.",
)
@option_of(OPTIMISER_GROUP)(
    "--learning-rate", type=LEARNING_RATE, help="The same in every arm. Default: depends on the adaptation."
)
@option_of(OPTIMISER_GROUP)(
    "--steps", type=STEPS, default=400, show_default=True, help="Optimiser steps, the same in every arm."
)
@click.option("--real-per-class", type=IMAGES, help="Keep only this many real training images per class.")
@click.option("--worklist", "worklists", multiple=True, help="Use outcomes of this worklist. Default: of all.")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option(
    "--allow-unknown-provenance", is_flag=True, help="Use backbones and generators without a list of what they saw."
)
@click.option("--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject. The report says so.")
@queue_option("running it")
@json_option
@pass_project
def run_command(
    project: Project,
    /,
    name: str | None,
    resume: str | None,
    arms: tuple[str, ...],
    seeds: int | None,
    redraw: bool | None,
    smallest_effect: float | None,
    split: Literal["test", "validation"],
    allow_unknown_provenance: bool,
    allow_affected: bool,
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run study NAME and write its report: a table, a figure and one sentence.

    Arms: real_only, plus_raw, plus_approved, plus_random (as many as approved, chosen at random),
    plus_duplicated_real and plus_reserve_real (as many real ones). If it is interrupted, run it again, or use
    --resume: it continues.

    \b
    Example:
      rounds study run first --real-per-class 20
      rounds study run --resume first
    """
    from train.adaptation.config import AdaptationConfig
    from train.study.plan import ARMS, StudyPlan
    from train.study.records import replicates_of_study, stored_adaptation
    from train.study.request import StudyRequest, queue_study, resume_study

    if (name is None) == (resume is None):
        raise click.UsageError("give either NAME or --resume NAME")
    if resume is not None:
        refuse_beside_resume("allow_affected", "queue", "as_json")
        request = resume_study(project, resume, allow_affected=allow_affected)
    else:
        mix = {key: options.pop(key) for key in ("real_per_class", "worklists")}
        options["backbone"] = options["backbone"] or project.settings.train.backbone
        with project.database.read() as session:
            options |= training_values(options) | adaptation_values(options, stored_adaptation(session, str(name)))
            replicates, redraws = replicates_of_study(session, str(name)) or (10, True)
        config = AdaptationConfig.checked(allow_unknown_provenance=allow_unknown_provenance, **options)
        plan = StudyPlan.checked(
            name=name,
            adaptation=config,
            arms=arms or ARMS,
            seeds=tuple(range(seeds or replicates)),
            split=split,
            redraw="halves" if (redraws if redraw is None else redraw) else "none",
            smallest_effect=smallest_effect,
        )
        base = MixRecipe.checked(allow_unknown_provenance=allow_unknown_provenance, **mix)
        request = StudyRequest.checked(plan=plan, base=base, allow_affected=allow_affected)
    name = request.plan.name
    if queue:
        emit_queued(queue_study(project, request, now()), {"study": name}, as_json)
        return
    from train.study.conduct import conduct_study

    use_torch_threads(project)
    with progress_bar(f"study {name}", quiet=as_json) as report:
        result = conduct_study(project, request, report, now, this_command(), say=tell)
    snapshots = [arm["snapshot"] for arm in result["arms"].values()]
    stale_snapshots(project, snapshots)
    folders = (open_snapshot(project, snapshot) for snapshot in snapshots)
    if mixed := next((folder for folder in folders if folder.mixed_scales), None):
        warn_of_mixed_scales(mixed)
    if as_json:
        emit(result, as_json)
    else:
        click.echo((project.root / "studies" / name / "report.md").read_text())
        click.echo(f"report: {project.root / 'studies' / name / 'report.md'}")


@study.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List studies, with whether each is ready, running, queued or interrupted.

    `rounds study run --resume NAME` continues an interrupted one.

    \b
    Example:
      rounds study list
    """
    from train.study.records import list_studies

    with project.database.read() as session:
        notes = affected_notes(session, AffectedKind.STUDY)
        rows = [
            {
                "name": study.name,
                "status": state_of(session, project, now(), study),
                "arms": study.plan["arms"],
                "seeds": len(study.plan["seeds"]),
                "report": f"{study.directory}/report.md",
                "withdrawals": notes.get(study.id),
            }
            for study in list_studies(session)
        ]
    emit(rows, as_json, title="studies")
