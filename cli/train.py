"""`rounds train`: adapt foundation models."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from cli.adaptation_options import adaptation_options, adaptation_values, with_families
from cli.backbone_option import backbone_option
from cli.numbers import LEARNING_RATE, SEED, STEPS
from cli.option_groups import GroupedCommand, option_of
from cli.resume import refuse_beside, refuse_beside_resume, resume_option
from cli.run_facts import cost_lines, facts_of_run
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
    use_torch_threads,
)
from cli.training_options import OPTIMISER_GROUP, training_options, training_values
from curation.project import Project
from curation.snapshots.build import open_snapshot
from train.adaptation.records import stored_config
from train.augmentation.presets import NONE

if TYPE_CHECKING:
    from train.adaptation.config import AdaptationConfig
    from train.adaptation.run_request import RunRequest

AUTO = "auto"


@click.command(cls=GroupedCommand)
@click.option("--snapshot", "snapshot_name", help="The name of the snapshot; `rounds snapshot list` shows them.")
@resume_option("run")
@click.option(
    "--continue",
    "continued",
    metavar="RUN",
    help="Add the snapshot to what RUN was trained on, exactly as if all had been there at once. RUN keeps sums "
    "(`--adaptation ridge`) and stays as it is; its backbone and settings are used.",
)
@adaptation_options(AUTO, also="; `auto` tries those that suit the number of images and keeps the best on validation")
@training_options(AUTO)
@option_of("Search of settings")(
    "--tune",
    type=click.IntRange(2, 1_000),
    metavar="TRIES",
    help="Try so many settings first, the same number for every method, and take the best on validation.",
)
@click.option(
    "--show-augmentation",
    "picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.png",
    help="Draw training images of the snapshot beside what --augment makes of them, and train nothing.",
)
@backbone_option("The backbone to adapt")
@click.option("--name", help="The name of the run. Default: SNAPSHOT-ADAPTATION-sSEED.")
@option_of(OPTIMISER_GROUP)("--epochs", type=click.IntRange(1, 100_000), default=30, show_default=True)
@option_of(OPTIMISER_GROUP)("--steps", type=STEPS, help="Optimiser steps instead of epochs.")
@option_of(OPTIMISER_GROUP)("--learning-rate", type=LEARNING_RATE, help="Default: depends on the adaptation.")
@option_of(OPTIMISER_GROUP)("--batch-size", type=click.IntRange(1, 65_536), default=64, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--allow-unknown-provenance", is_flag=True, help="Use a backbone without a list of what it saw.")
@click.option(
    "--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject. Every report says so."
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Choice(["tensorboard", "mlflow"]),
    help="Also tell TensorBoard (event files in the run's folder) or MLflow (its file store mlruns in the project) the "
    "settings, the curves while they grow, and the metrics. Repeatable. `rounds run show` needs neither.",
)
@queue_option("training")
@json_option
@pass_project
@with_families
def train(
    project: Project,
    /,
    snapshot_name: str | None,
    resume: str | None,
    continued: str | None,
    name: str | None,
    picture: Path | None,
    tune: int | None,
    allow_affected: bool,
    logs: tuple[Literal["tensorboard", "mlflow"], ...],
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Adapt a backbone to a snapshot, with early stopping on validation subjects. Test subjects are not read.

    If it was killed, run the same command again, or use --resume: it continues from its checkpoint.

    \b
    Example:
      rounds train --snapshot first --adaptation lora
      rounds train --snapshot first --adaptation lora --augment brain_mr
      rounds train --resume first-lora-s0
      rounds train --continue first-ridge-s0 --snapshot second
    """
    from train.adaptation.run_request import queue_run

    if (snapshot_name is None) == (resume is None):
        raise click.UsageError("give either --snapshot NAME or --resume RUN")
    if picture is not None:
        _show_augmentation(project, str(snapshot_name), options["augment"], options["seed"], picture)
        return
    compare_synthetic = _compares_synthetic(options, tune)
    if resume is None and continued is None:
        options["backbone"] = options["backbone"] or project.settings.train.backbone
        if options["adaptation"] == AUTO:
            if logs:
                raise click.UsageError("--adaptation auto goes without --log: log the run that it chooses, by its name")
            _try_all(project, str(snapshot_name), name, allow_affected, queue, as_json, tune, options)
            return
    request = _request(project, snapshot_name, resume, continued, name, allow_affected, options)
    request = request.model_copy(update={"log": logs})
    if tune is not None:
        _refuse_tuned(request.config)
        request = request.model_copy(update={"tune": tune, "compare_synthetic": compare_synthetic})
    stale = stale_snapshots(project, [request.snapshot])
    folder = open_snapshot(project, request.snapshot)
    warn_of_mixed_scales(folder)
    if queue:
        emit_queued(queue_run(project, request, now()), {"run": request.name}, as_json)
        return
    from train.adaptation.run_job import train_run

    use_torch_threads(project)
    with progress_bar(f"{request.config.method.kind} on {request.snapshot}", quiet=as_json) as report:
        run = train_run(project, request, report, now, say=tell)
    facts = facts_of_run(request.name, run, folder) | ({"stale": stale} if stale else {})
    emit(facts, as_json, title=f"run {request.name}")
    if not as_json:
        click.echo(f"measure it on the test subjects: rounds evaluate {request.name}")


def _compares_synthetic(options: dict[str, Any], tune: int | None) -> bool:
    """Whether each use of synthetic images is tried; the option is then left to the search."""
    if options["synthetic"] != AUTO:
        return False
    if tune is None or options["synthetic_share"] is not None or options["adaptation"] == AUTO:
        raise click.UsageError(
            "--synthetic auto chooses use and share by trying: give --tune and one --adaptation, no --synthetic-share"
        )
    options["synthetic"] = "mixed"
    return True


def _show_augmentation(project: Project, snapshot: str, preset: str, seed: int, picture: Path) -> None:
    """Draw what a preset makes of training images."""
    from train.augmentation.sheet import draw_augmentation

    refuse_beside("picture", "--show-augmentation", "snapshot_name", "augment", "seed")
    if preset == NONE:
        raise click.UsageError("--show-augmentation shows what a preset does: give one with --augment")
    folder = open_snapshot(project, snapshot)
    click.echo(f"drew {draw_augmentation(folder, preset, seed, picture)}")


def _request(
    project: Project,
    snapshot_name: str | None,
    resume: str | None,
    continued: str | None,
    name: str | None,
    allow_affected: bool,
    options: dict[str, Any],
) -> "RunRequest":
    """Make the request from the options, from an interrupted run, or from a finished one that is continued."""
    from train.adaptation.config import AdaptationConfig
    from train.adaptation.run_request import RunRequest, continue_run, resume_run

    if resume is not None:
        refuse_beside_resume("allow_affected", "logs", "queue", "as_json")
        with project.database.read() as session:
            return resume_run(session, resume, allow_affected=allow_affected)
    if continued is not None:
        refuse_beside(
            "continued", "--continue RUN", "snapshot_name", "name", "allow_affected", "logs", "queue", "as_json"
        )
        with project.database.read() as session:
            request = continue_run(session, project.root, continued, str(snapshot_name), name)
            return request.model_copy(update={"allow_affected": allow_affected})
    name = name or f"{snapshot_name}-{options['adaptation']}-s{options['seed']}"
    with project.database.read() as session:
        options |= training_values(options) | adaptation_values(options, stored_config(session, name))
    config = AdaptationConfig.checked(**options)
    return RunRequest.checked(snapshot=str(snapshot_name), name=name, config=config, allow_affected=allow_affected)


def _refuse_tuned(config: "AdaptationConfig") -> None:
    """Raise UsageError for an option that fixes what the search is to choose."""
    from train.adaptation.search_space import space_of

    context = click.get_current_context()
    on_command_line = {name for name, _ in context.params["settings"]}
    on_command_line |= {
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    fixed = sorted(on_command_line & space_of(config).keys())
    if fixed:
        raise click.UsageError(f"--tune chooses {', '.join(fixed)}: leave it out, or leave out --tune")


def _try_all(
    project: Project,
    snapshot: str,
    name: str | None,
    allow_affected: bool,
    queue: bool,
    as_json: bool,
    tune: int | None,
    options: dict[str, Any],
) -> None:
    """Make a run of every adaptation that suits the snapshot, and say which is best on validation and why."""
    from train.adaptation.automatic import choose_best, choose_candidates, settings_that_apply
    from train.adaptation.config import AdaptationConfig
    from train.adaptation.run_job import train_run
    from train.adaptation.run_request import RunRequest
    from train.adaptation.search_space import space_of

    chosen_here = ("settings", "start", "interpolate")
    if queue or options["soup"] != 1 or any(options[option] for option in chosen_here):
        raise click.UsageError("--adaptation auto goes without --queue, --set, --start, --interpolate and --soup")
    entries = ("adaptation", "soup", "precision", *chosen_here)
    automatic = {"validation_weighting": "training", "precision": options["precision"] or "auto"}
    common = {key: value for key, value in options.items() if key not in entries}
    common |= training_values(common) | automatic
    choice = choose_candidates(open_snapshot(project, snapshot))
    tell(choice.why)
    use_torch_threads(project)
    tried: list[dict[str, Any]] = []
    for candidate in choice.candidates:
        settings = settings_that_apply(candidate.method, common)
        config = AdaptationConfig.checked(**settings, adaptation=candidate.method, **candidate.entries)
        run_name = f"{name or snapshot}-{candidate.method}-s{config.seed}"
        tries = tune if tune and space_of(config) else 0
        request = RunRequest.checked(
            snapshot=snapshot, name=run_name, config=config, allow_affected=allow_affected, tune=tries
        )
        with progress_bar(f"{candidate.method} on {snapshot}", quiet=as_json) as report:
            run = train_run(project, request, report, now, say=tell)
        lines = cost_lines(run.card["parameters"], run.cost)
        tried.append({"run": run_name, "adaptation": candidate.method, **run.metrics, **lines})
    best = tried[choose_best([row["validation_loss"] for row in tried])]
    why = f"{choice.why}; {best['adaptation']} has the lowest validation loss of {len(tried)}"
    if as_json:
        emit({"chosen": best["run"], "why": why, "tried": tried}, as_json)
        return
    emit(tried, as_json, title="tried")
    click.echo(f"chosen: {best['run']}: {why}")
    click.echo(f"measure it on the test subjects: rounds evaluate {best['run']}")
