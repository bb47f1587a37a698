"""`rounds screen` and `rounds screening`: run the automatic checks, measure them, report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import ROW_ID, SEED
from cli.paths import LocalPath
from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.check_names import check_name
from curation.project import Project
from curation.provenance.public_web import describe_backbone
from curation.tables.images import Image
from curation.tables.measures import CheckReport
from curation.withdrawal.affected_results import WithdrawnSubjects, check_reports_on, withdrawn_subjects_note
from curation.worklists.admitted import count_screened
from screening.report.figures import list_ready_batches, newest_screening
from screening.report.rates import list_reports, rates_of
from screening.report.words import describe_false_alarms, describe_probe
from screening.report.write import write_report


@click.command()
@click.argument("batch", type=ROW_ID, required=False)
@backbone_option()
@json_option
@pass_project
def screen(project: Project, batch: int | None, backbone: str | None, as_json: bool) -> None:
    """Check every image of BATCH, by default of every finished batch. Each image passes, is flagged or is blocked.

    Looks for blank, saturated, blurred and noisy images, strange spectra and histograms, images far from real
    ones of their class or of another class, duplicates in this batch and earlier ones, and near copies of training
    images. A worker does this by itself when a batch is finished. Screening again with the same
    thresholds changes nothing.

    \b
    Example:
      rounds screen 1
    """
    from screening.run import screen_batch

    use_torch_threads(project)
    with project.database.read() as session:
        batches = [batch] if batch is not None else list_ready_batches(session)
    rows: list[dict[str, Any]] = []
    for batch_id in batches:
        with progress_bar(f"screening batch {batch_id}", quiet=as_json) as report:
            screen_batch(project, batch_id, now(), report, backbone)
        with project.database.read() as session:
            screened = count_screened(session, Image.batch_id == batch_id)
        rows.append({"batch": batch_id, **(screened.record() if as_json else screened.lines())})
        rows[-1] |= _screening_facts(project, batch_id, str if as_json else check_name)
    emit(rows if as_json or len(rows) != 1 else rows[0], as_json, title="screening")


def _screening_facts(project: Project, batch_id: int, named: Callable[[str], str]) -> dict[str, Any]:
    """Which checks flagged or blocked images, and how often they are wrong."""
    with project.database.read() as session:
        parameters, raised = newest_screening(session, batch_id)
    return {
        "checks that spoke": {named(name): count for name, count in raised.items()},
        f"false blocks, {named('near_copy')}": false_blocks(parameters["near_copy"]),
        f"false blocks, {named('near_copy_pixels')}": false_blocks(parameters["near_copy_pixels"]),
        "false alarms of the other checks": describe_false_alarms(parameters["flags_on_validation"]),
        "label probe": describe_probe(parameters["label_probe"]),
        "features": f"{describe_backbone(parameters)}, digest {parameters['backbone_digest'][:16]}",
        "earlier images compared": parameters["earlier_images"],
        "validation images that are training images": parameters["validation_copies_of_training"],
        "images its generator saw": f"{parameters['generator_images']}, of which "
        f"{parameters['generator_images_compared']} are in this project and were compared",
    }


def false_blocks(gate: dict[str, Any]) -> str:
    """What a copy gate's word is worth: how many held-out real images it would have blocked."""
    if "not_set" in gate:
        return f"no gate, everything is flagged: {gate['not_set']}"
    low, high = gate["false_block_rate_95"]
    return f"{gate['false_blocks']} of {gate['measured_on']} held-out real images (95 %: {low:.1%} to {high:.1%})"


@click.group()
def screening() -> None:
    """Measure how often the automatic checks are wrong, and report what they found.

    \b
    Example:
      rounds screening error-rates
      rounds screening report --out report
    """


@screening.command("error-rates")
@backbone_option()
@click.option(
    "--images",
    type=click.IntRange(40, 100_000),
    default=200,
    show_default=True,
    help="How many validation images get planted faults.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed for the choice of images and faults.")
@json_option
@pass_project
def error_rates(project: Project, backbone: str | None, images: int, seed: int, as_json: bool) -> None:
    """Measure the checks on held-out real images: false alarms, and how many planted faults they catch.

    Each image is judged under thresholds that no image of its subject set; test subjects are never read. Nothing is
    measured twice: a second run over the same images prints the stored result.

    \b
    Example:
      rounds screening error-rates
    """
    from screening.error_rates.checks import measure_checks

    use_torch_threads(project)
    with progress_bar("measuring the checks", quiet=as_json) as report:
        report_id = measure_checks(project, now(), report, backbone, images, seed)
    with project.database.read() as session:
        measured = session.get_one(CheckReport, report_id)
    if as_json:
        emit({"id": report_id, "parameters": measured.parameters, "result": measured.result}, as_json)
        return
    rows = [
        {
            "images": rate.group,
            "what": rate.name,
            "n": rate.n,
            "caught": f"{rate.share:.0%} ({rate.low:.0%} to {rate.high:.0%})",
            "blocked": f"{rate.blocked / rate.n:.0%}" if rate.n else "-",
            "by": ", ".join(f"{check_name(name)} {count}" for name, count in _most(rate.by_check)),
        }
        for rate in rates_of(measured.result)
    ]
    emit(rows, as_json, title=f"checks with {describe_backbone(measured.parameters)}; 95 % intervals (Clopper-Pearson)")
    click.echo(f"label probe: {describe_probe(measured.result['label_probe'])}")


@screening.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List the stored error rates of the checks and of the privacy gate, the newest first.

    \b
    Example:
      rounds screening list
    """
    with project.database.read() as session:
        withdrawn = check_reports_on(session, WithdrawnSubjects.recorded())
        rows = [
            {
                "report": report.id,
                "kind": report.kind,
                "features": describe_backbone(report.parameters) if "backbone" in report.parameters else None,
                "made": report.created_at,
                "withdrawals": withdrawn_subjects_note(withdrawn.get(report.id, 0)),
            }
            for report in list_reports(session)
        ]
    emit(rows, as_json, title="error rates")


@screening.command("report")
@click.argument("batch", type=ROW_ID, required=False)
@click.option(
    "--out", type=LocalPath(file_okay=False, path_type=Path), default=Path("screening-report"), show_default=True
)
@json_option
@pass_project
def report_command(project: Project, batch: int | None, out: Path, as_json: bool) -> None:
    """Write a self-contained HTML report of the screening of BATCH, by default of every batch.

    `report.html` has verdicts, distributions, error rates and images. `nearest-pairs.html` shows training images of
    real subjects: it is for the curator and the privacy role only.

    \b
    Example:
      rounds screening report 1 --out report
    """
    with progress_bar("writing the report", quiet=True):
        paths = write_report(project, now(), out, batch)
    emit({"report": str(paths[0]), "nearest pairs, not for readers": str(paths[1])}, as_json, title="screening report")


def _most(by_check: dict[str, int]) -> list[tuple[str, int]]:
    """The three checks that caught most."""
    return [pair for pair in sorted(by_check.items(), key=lambda pair: -pair[1]) if pair[1]][:3]
