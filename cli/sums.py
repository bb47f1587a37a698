"""`rounds sums`: exchange the sums of runs between sites, by file."""

from functools import reduce
from pathlib import Path
from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import CLIP, DELTA, EPSILON
from cli.paths import LocalPath
from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.project import Project
from train.sums.site_file import SiteSums

NEW_FILE = click.option("--out", type=LocalPath(path_type=Path), required=True, help="The new file.")
FILE = LocalPath(exists=True, path_type=Path)


@click.group()
def sums() -> None:
    """Exchange the sums of runs between sites, and solve what was merged. docs/sums.md says what each file gives away.

    \b
    Example:
      rounds sums export first-ridge-s0 --out here.sums
      rounds sums merge here.sums there.sums --out pooled.sums
      rounds sums solve pooled.sums --snapshot first --name pooled --allow-unknown-provenance
    """


@sums.command("export")
@click.argument("run_name", metavar="RUN")
@NEW_FILE
@click.option("--epsilon", type=EPSILON, help="Release under noise: no subject can be found in it. Needs --delta.")
@click.option("--delta", type=DELTA, help="The chance that ε does not hold; far below one in the number of subjects.")
@click.option("--clip", type=CLIP, help="The longest vector of an image, in units of a typical one. Default: 1.")
@click.option("--allow-affected", is_flag=True, help="Export a run that descends from a withdrawn subject.")
@json_option
@pass_project
def export_command(
    project: Project,
    /,
    run_name: str,
    out: Path,
    epsilon: float | None,
    delta: float | None,
    clip: float | None,
    allow_affected: bool,
    as_json: bool,
) -> None:
    """Write the sums over the training images of RUN, a run of `--adaptation ridge`, to a file. It is an event.

    Without --epsilon they are exact: who knows all images but one can tell from the file whether that one is in it.

    \b
    Example:
      rounds sums export first-ridge-s0 --out here.sums
      rounds sums export first-ridge-s0 --out private.sums --epsilon 1 --delta 1e-5
    """
    from train.exchange.export import export_sums
    from train.exchange.request import PrivateRelease

    if (epsilon is None) != (delta is None) or (epsilon is None and clip is not None):
        raise click.UsageError("give --epsilon and --delta together, and --clip only with them")
    private = None
    if epsilon is not None:
        private = PrivateRelease.checked(epsilon=epsilon, delta=delta, **({} if clip is None else {"clip": clip}))
    site = export_sums(project, run_name, out, now(), private, allow_affected=allow_affected)
    emit({"file": str(out), **_facts(site)}, as_json, title=f"sums of {run_name}")


@sums.command("merge")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option("--minus", "minus", multiple=True, type=FILE, help="Take this file out again. Repeat it for more.")
@NEW_FILE
@json_option
def merge_command(files: tuple[Path, ...], minus: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Add the sums of several sites, in any order; what is merged is a file like theirs. No project is needed.

    A site that withdrew a subject exports again: `--minus` takes its earlier file out.

    \b
    Example:
      rounds sums merge here.sums there.sums --out pooled.sums
      rounds sums merge pooled.sums here-2.sums --minus here.sums --out pooled-2.sums
    """
    merged = reduce(SiteSums.plus, map(SiteSums.read, files))
    merged = reduce(SiteSums.minus, map(SiteSums.read, minus), merged)
    merged.write(out)
    emit(
        {"file": str(out), **_facts(merged)},
        as_json,
        title="1 part" if len(merged.parts) == 1 else f"{len(merged.parts)} parts",
    )


@sums.command("show")
@click.argument("file", type=FILE)
@json_option
def show_command(file: Path, as_json: bool) -> None:
    """Show what a file of sums says of itself.

    \b
    Example:
      rounds sums show pooled.sums
    """
    emit(_facts(SiteSums.read(file)), as_json, title=file.name)


@sums.command("solve")
@click.argument("file", type=FILE)
@click.option("--snapshot", required=True, help="The snapshot whose validation images set penalty and slope.")
@click.option("--name", required=True, help="The name of the new run.")
@backbone_option("The backbone that the sums are of")
@click.option("--allow-unknown-provenance", is_flag=True, help="Use sums of which nobody here knows whom they saw.")
@click.option("--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject.")
@json_option
@pass_project
def solve_command(
    project: Project,
    /,
    file: Path,
    snapshot: str,
    name: str,
    backbone: str | None,
    allow_unknown_provenance: bool,
    allow_affected: bool,
    as_json: bool,
) -> None:
    """Make a run from a file of sums. Training images of the snapshot are not used.

    \b
    Example:
      rounds sums solve pooled.sums --snapshot first --name pooled --allow-unknown-provenance
    """
    from train.adaptation.config import AdaptationConfig, resolve_backbone
    from train.exchange.solve import solve_sums

    config = AdaptationConfig.checked(
        adaptation="ridge",
        backbone=backbone or project.settings.train.backbone,
        allow_unknown_provenance=allow_unknown_provenance,
        ridge_pooled=str(file.resolve()),
    )
    use_torch_threads(project)
    with progress_bar(f"solving {file.name}", quiet=as_json) as report:
        config = resolve_backbone(config, project.root)
        run = solve_sums(project, file, snapshot, name, config, report, now, allow_affected=allow_affected)
    facts = {"run": name, "directory": str(run.directory), "validation": run.metrics, "penalty": run.card["penalty"]}
    emit(facts | {"privacy": run.card["privacy"], "notice": run.card["notice"]}, as_json, title=f"run {name}")


def _facts(site: SiteSums) -> dict[str, Any]:
    parts = [
        f"{part.run} ({part.identity[:12]}): "
        + (
            f"ε {part.guarantee.epsilon:g}, δ {part.guarantee.delta:g}; with all {part.guarantee.releases} releases of "
            f"its project ε {part.guarantee.total_epsilon:.3g}"
            if part.guarantee
            else f"{part.images} images of {part.subjects} subjects, exact"
        )
        for part in site.parts
    ]
    backbone = f"{site.backbone_name} ({site.backbone[:12]})"
    return {"backbone": backbone, "classes": list(site.sums.classes), "parts": parts, "notices": list(site.notices)}
