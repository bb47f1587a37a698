"""`rounds measure`: measure how far a set of synthetic images is from real ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import ROW_ID, SEED
from cli.paths import LocalPath
from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.check_names import scope_name
from curation.project import Project
from curation.provenance.public_web import describe_backbone
from curation.tables.measures import SetMeasurement
from curation.withdrawal.affected_results import WithdrawnSubjects, measurements_on, withdrawn_subjects_note
from screening.report.measurements import find_measurement, list_measurements, outcomes_by, withdrawn_behind


@click.group()
def measure() -> None:
    """Measure sets of images against real ones: distances, coverage, membership, and what curation kept.

    \b
    Example:
      rounds measure run --images approved
    """


@measure.command()
@click.option(
    "--images",
    type=click.Choice(["approved", "rejected", "raw"]),
    default="approved",
    show_default=True,
    help="Synthetic images with this outcome, or all of them (raw).",
)
@click.option("--snapshot", help="Measure the synthetic images of this snapshot instead.")
@click.option("--worklist", "worklists", multiple=True, help="Use outcomes of this worklist. Default: of all.")
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=ROW_ID,
    help="Take images of this batch. Default: of every finished batch.",
)
@click.option(
    "--n", type=click.IntRange(20, 4_000), help="How many images of each set. Default: as many as the smallest set has."
)
@click.option(
    "--resamples",
    type=click.IntRange(20, 2_000),
    default=200,
    show_default=True,
    help="How many resamples give the intervals.",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@backbone_option()
@click.option(
    "--out", type=LocalPath(file_okay=False, path_type=Path), help="Write figures and tables to this directory."
)
@click.option("--queue", is_flag=True, help="Leave it to `rounds worker`, instead of measuring here.")
@json_option
@pass_project
def run(
    project: Project, /, images: str, backbone: str | None, out: Path | None, queue: bool, as_json: bool, **options: Any
) -> None:
    """Measure a set, per class and as a whole. Each value stands beside that of held-out real images at equal n.

    Training subjects are the reference, validation subjects the floor; test subjects are never read. The same request
    over the same images is measured once.

    \b
    Example:
      rounds measure run --images raw --n 60
      rounds measure run --images approved --worklist first --n 60 --out measured
      rounds measure run --images raw --queue
    """
    from screening.set_measures.measure import measure_sets, queue_measurement
    from screening.set_measures.request import MeasureRequest

    request = MeasureRequest.checked(images="snapshot" if options["snapshot"] else images, **options)
    if queue:
        if out is not None:
            raise click.UsageError("--out goes without --queue: `rounds measure show ID --out` writes it afterwards.")
        job = queue_measurement(project, request, now(), backbone)
        emit({"set": request.name(), "job": job.id}, as_json, title=f"job {job.id}")
        if not as_json:
            click.echo("queued: `rounds worker` measures it, `rounds measure list` has it then")
        return
    use_torch_threads(project)
    with progress_bar("measuring", quiet=as_json) as report:
        measurement_id = measure_sets(project, request, now(), report, backbone)
    _tell(project, _find(project, measurement_id), out, as_json)


@measure.command("list")
@json_option
@pass_project
def show_list(project: Project, as_json: bool) -> None:
    """List the measurements.

    \b
    Example:
      rounds measure list
    """
    with project.database.read() as session:
        rows = list_measurements(session)
        withdrawn = measurements_on(session, WithdrawnSubjects.recorded())
    readable = str if as_json else scope_name
    emit([_line(row, readable, withdrawn.get(row.id, 0)) for row in rows], as_json, title="measurements")


@measure.command()
@click.argument("measurement", type=ROW_ID)
@click.option(
    "--out", type=LocalPath(file_okay=False, path_type=Path), help="Write figures and tables to this directory."
)
@json_option
@pass_project
def show(project: Project, measurement: int, out: Path | None, as_json: bool) -> None:
    """Show MEASUREMENT, a number of `rounds measure list`. With --out, write its figures and tables.

    \b
    Example:
      rounds measure show 1 --out measured
    """
    _tell(project, _find(project, measurement), out, as_json)


def _find(project: Project, measurement_id: int) -> SetMeasurement:
    with project.database.read() as session:
        return find_measurement(session, measurement_id)


def _line(row: SetMeasurement, readable: Callable[[str], str], withdrawn: int) -> dict[str, Any]:
    scopes = row.result["scopes"]
    return {
        "id": row.id,
        "set": row.result["set"],
        "n": {readable(scope["scope"]): scope["n"] for scope in scopes},
        "features": describe_backbone(row.request),
        "read by": outcomes_by(row.result),
        "made": row.created_at,
        "withdrawals": withdrawn_subjects_note(withdrawn),
    }


def _tell(project: Project, row: SetMeasurement, out: Path | None, as_json: bool) -> None:
    with project.database.read() as session:
        withdrawn = withdrawn_behind(session, row.id)
    if out is not None:
        from screening.set_measures.report import write_report

        click.echo(f"wrote {', '.join(write_report(project, row, out))} to {out}", err=True)
    if as_json:
        facts = {"made": row.created_at, "withdrawals": withdrawn_subjects_note(withdrawn)}
        emit({"id": row.id, "request": row.request, "result": row.result, **facts}, as_json=True)
        return
    result = row.result
    emit(_line(row, scope_name, withdrawn), as_json=False, title="measurement")
    for scope in result["scopes"]:
        title = f"\n{scope_name(scope['scope'])}, n = {scope['n']}"
        emit([_measure_row(row) for row in scope["measures"]], False, title)
    for name, why in result["scopes_left_out"].items():
        click.echo(f"{scope_name(name)}: left out, {why}")
    _tell_membership(result["membership"])
    _tell_curation(result["map"])
    click.echo(f"\nIntervals: 95 %, {result['intervals']}. Outcomes by: {outcomes_by(result)}.")
    if result["notice"]:
        click.secho(result["notice"], fg="yellow")


def _measure_row(measure: dict[str, Any]) -> dict[str, Any]:
    if measure["value"] is None:
        return {"measure": measure["name"], "value (95 %)": measure["note"], "real against real": "", "difference": ""}
    return {
        "measure": measure["name"],
        "value (95 %)": interval_words(measure["value"]),
        "real against real": interval_words(measure["floor"]),
        "difference": interval_words(measure["excess"]),
    }


def interval_words(interval: dict[str, Any] | None) -> str:
    """`0.87 (0.74 to 0.94)`."""
    if interval is None:
        return "-"
    if interval["low"] is None:
        return f"{interval['value']:.3g}"
    return f"{interval['value']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})"


def _tell_membership(membership: dict[str, Any]) -> None:
    click.echo(f"\nMembership: {membership['sentence']}")
    rows = [
        {
            "score": attack["name"],
            "AUC (95 %)": interval_words(attack["auc"]),
            "found at 1 % false": interval_words(attack["found_at_1_percent"]),
            "false": interval_words(attack["false_positives"]),
        }
        for attack in membership["attacks"]
    ]
    if rows:
        emit(rows, False, title=f"membership, {membership['n']} subjects in each group")


def _tell_curation(curation_map: dict[str, Any]) -> None:
    rows = [
        {
            group["grouping"]: group["level"],
            "real": group["real"]["hits"],
            "drawn": group["drawn"]["hits"],
            curation_map["kept_are"]: group["kept"]["hits"],
            "share by real share (95 %)": interval_words(group["ratio"]),
            "so": group["state"],
        }
        for group in curation_map["representation"]
        if group["grouping"] == "mode"
    ]
    if rows:
        emit(rows, False, title="\nmodes of the real training images")
    odds = [
        {
            "by": group["grouping"],
            "level": group["level"],
            "approved": group["approved"],
            "rejected": group["rejected"],
            "odds ratio (95 %)": interval_words(group["ratio"]) if group["ratio"] else group["note"],
        }
        for group in curation_map["odds"]
    ]
    if odds:
        emit(odds, False, title="\nodds of being approved, each level against all others of its class")
