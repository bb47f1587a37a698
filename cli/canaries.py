"""`rounds generator canaries`: measure how often a generator gives its training images back."""

from pathlib import Path
from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import SEED
from cli.paths import LocalPath
from cli.terminal import (
    emit,
    emit_queued,
    json_option,
    now,
    pass_project,
    progress_bar,
    queue_option,
    use_torch_threads,
)
from curation.project import Project
from curation.provenance.public_web import describe_backbone


@click.command()
@click.option("--snapshot", required=True, help="The snapshot whose real training subjects are used.")
@click.option(
    "--out",
    required=True,
    type=LocalPath(file_okay=False, path_type=Path),
    help="A directory for the fits and the report.",
)
@click.option(
    "--per-repeat",
    default=3,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="How many canary subjects for each number of repeats.",
)
@click.option(
    "--others",
    default=300,
    show_default=True,
    type=click.IntRange(50, 100_000),
    help="How many other subjects, each taken once.",
)
@click.option(
    "--images",
    default=600,
    show_default=True,
    type=click.IntRange(40, 100_000),
    help="How many images each generator makes.",
)
@click.option("--recipe", type=LocalPath(exists=True, path_type=Path), help="A JSON recipe. Default: a small one.")
@click.option("--autoencoder", help="Use the autoencoder of this generator instead of fitting one.")
@backbone_option()
@click.option("--seed", default=0, show_default=True, type=SEED)
@queue_option("fitting")
@json_option
@pass_project
def canaries(
    project: Project, /, snapshot: str, out: Path, recipe: Path | None, queue: bool, as_json: bool, **options: Any
) -> None:
    """Fit one small generator with subjects planted 1, 10 and 100 times and one without; count the copies.

    The generators are fitted only for this and never registered. If the command is interrupted, run it again: it
    continues. The figure in OUT shows training images: it is for the curator and the privacy role only.

    \b
    Example:
      rounds generator canaries --snapshot first --autoencoder virtual-brains-flow --out canaries
    """
    from generate.latent_flow.recipe import FitRecipe
    from screening.error_rates.canaries import CanaryPlan
    from screening.error_rates.canary_run import measure_canaries

    autoencoder, backbone = options.pop("autoencoder"), options.pop("backbone")
    plan = CanaryPlan.checked(**options, **({"recipe": FitRecipe.read(recipe)} if recipe else {}))
    if queue:
        from screening.error_rates.queued import CanaryRequest, queue_canaries
        from train.backbones.names import absolute_location

        location = absolute_location(backbone, project.root) if backbone is not None else None
        files = {"out": str(out.absolute()), "backbone": location}
        request = CanaryRequest(snapshot=snapshot, plan=plan, autoencoder=autoencoder, **files)
        emit_queued(queue_canaries(project, request, now()), {"report": str(out)}, as_json)
        return
    use_torch_threads(project)
    features = {"autoencoder": autoencoder, "backbone_path": backbone}
    with progress_bar("fitting with canaries, then without", quiet=as_json) as report:
        result = measure_canaries(project, snapshot, plan, out, report, **features)
    if as_json:
        emit(result, as_json)
    else:
        print_counts(result, out)


def print_counts(result: dict[str, Any], out: Path) -> None:
    """Print how many canaries came back, and how many of them the copy gate blocks."""
    rows = [
        {
            "repeats": level["repeats"],
            "canary images": level["canary_images"],
            "came back": level["canary_images_regenerated"],
            "generated images that are one": _share(level["regenerated"]),
            "of them blocked": _share(level["caught"]),
            "control": _share(level["regenerated_by_control"]),
        }
        for level in result["levels"]
    ]
    emit(rows, False, title=f"canaries among {result['drawn']} generated images")
    facts = {
        "other generated images blocked": _share(result["blocked_of_other_images"]),
        "control's images blocked": _share(result["blocked_of_control"]),
        "features": describe_backbone(result),
        "report": str(out / "canaries.json"),
        "picture": str(out / "canaries.png"),
    }
    emit(facts, False)


def _share(counted: dict[str, Any]) -> str:
    if not counted["n"]:
        return "none"
    return f"{counted['count']} of {counted['n']} ({counted['low']:.1%} to {counted['high']:.1%})"
