"""`rounds privacy`: measure the error rates of the privacy gate on the project's own images."""

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


@click.group()
def privacy() -> None:
    """Measure the gate that keeps near copies of real training images out.

    \b
    Example:
      rounds privacy error-rates --out report
    """


@privacy.command("error-rates")
@click.option(
    "--copies",
    default=200,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="How many copies of each kind and severity.",
)
@click.option("--seed", default=0, show_default=True, type=SEED)
@backbone_option()
@click.option("--generator", help="The generator whose autoencoder copies images. Default: a blur instead.")
@click.option("--out", type=LocalPath(file_okay=False, path_type=Path), help="Write figures to this directory.")
@queue_option("measuring")
@json_option
@pass_project
def error_rates(
    project: Project,
    /,
    backbone: str | None,
    generator: str | None,
    out: Path | None,
    queue: bool,
    as_json: bool,
    **plan: Any,
) -> None:
    """Count how many altered copies of training images are blocked, and how many images that are no copies.

    Thresholds are set on half of the validation subjects and false blocks are counted on the other half, as they are
    and through an autoencoder. Test subjects are not touched. The figures in OUT show training images: they are for
    the curator and the privacy role only.

    \b
    Example:
      rounds privacy error-rates --generator virtual-brains-flow --out report
    """
    from screening.error_rates.privacy import PrivacyPlan
    from screening.error_rates.privacy_figure import plot_error_rates
    from screening.error_rates.privacy_run import measure_privacy

    if queue:
        from screening.error_rates.queued import PrivacyRequest, queue_privacy
        from train.backbones.names import absolute_location

        if out is not None:
            raise click.UsageError("--out goes without --queue: its pictures are drawn where it is measured")
        location = absolute_location(backbone, project.root) if backbone is not None else None
        request = PrivacyRequest(plan=PrivacyPlan(**plan), autoencoder=generator, backbone=location)
        emit_queued(queue_privacy(project, request, now()), {"measure": "privacy gate"}, as_json)
        return
    use_torch_threads(project)
    with progress_bar("measuring the privacy gate", quiet=as_json) as report:
        measured, examples = measure_privacy(
            project, now(), PrivacyPlan(**plan), report, backbone_path=backbone, autoencoder=generator
        )
    if out is not None:
        measured["pictures"] = [str(path) for path in plot_error_rates(measured, examples, out)]
    if as_json:
        emit(measured, as_json)
    else:
        print_rates(measured)


def print_rates(measured: dict[str, Any]) -> None:
    """Two tables and what they rest on."""
    parameters, result = measured["parameters"], measured["result"]
    facts = {
        "features": f"{describe_backbone(parameters)} ({parameters['backbone_digest'][:12]})",
        "autoencoder": parameters["autoencoder"],
        **{name.replace("_", " "): value for name, value in result["counts"].items()},
    }
    if "cannot_be_said" in result:
        facts["error rates"] = f"cannot be said: {result['cannot_be_said']}"
        if measured.get("pictures") == []:
            facts["pictures"] = "none: nothing was measured that they could show"
        emit(facts, False, title="privacy gate")
        return
    emit(facts, False, title="privacy gate")
    rows = [
        {"copy": row["kind"], "severity": row["severity"], "blocked": _share(row), "95 % or more": row["reached"]}
        for row in result["caught"]
    ]
    emit(rows, False, title="copies of training images")
    rows = [
        {"real": row["kind"], "blocked": _share(row), "1 % or less": row["within"]} for row in result["false_blocks"]
    ]
    emit(rows, False, title="images that copied nobody")
    for path in measured.get("pictures", []):
        click.echo(path)


def _share(row: dict[str, Any]) -> str:
    return f"{row['count']} of {row['n']} (95 %: {row['low']:.1%} to {row['high']:.1%})"
