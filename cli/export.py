"""`rounds export`: write a snapshot in a format that other tools open, or as a release."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.paths import LocalPath
from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.exports.options import ExportOptions
from curation.exports.run import FORMATS, export_snapshot
from curation.project import Project


@click.command()
@click.argument("format_name", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@click.argument("snapshot_name", metavar="SNAPSHOT")
@click.argument("directory", type=LocalPath(path_type=Path))
@click.option("--include-real", is_flag=True, help="Also export images of real patients, under keyed pseudonyms.")
@click.option("--license", default="", help="The licence of the data: an SPDX id or an address. Default: unknown.")
@click.option("--creator", default="", help="Who publishes the data, as it should be cited.")
@json_option
@pass_project
def export(
    project: Project, /, format_name: str, snapshot_name: str, directory: Path, as_json: bool, **options: Any
) -> None:
    """Write SNAPSHOT to the new DIRECTORY: imagefolder, parquet, croissant, dicom, nifti, or release.

    Synthetic and altered images are exported; real ones only with --include-real. Every PNG and DICOM
    file says that it is synthetic. `release` adds a data-quality scorecard, who read what, error rates, known gaps and
    prefilled reporting checklists.

    \b
    Example:
      rounds export dicom first ~/first-dicom
      rounds export release first ~/first-release --license CC-BY-4.0 --creator "A group"
    """
    chosen = ExportOptions.checked(**options)
    with progress_bar("exporting", quiet=as_json) as report:
        summary = export_snapshot(project, snapshot_name, format_name, directory, chosen, now(), report)
    if as_json:
        emit(asdict(summary), as_json)
        return
    left_out = f"{summary.real_left_out} real images; --include-real takes them" if summary.real_left_out else "nothing"
    images = f"{summary.synthetic} synthetic, {summary.altered} altered, {summary.real} real"
    facts = {"images": images, "left out": left_out, "files": summary.files, "digest": summary.digest}
    emit(facts, as_json, title=f"{summary.format} of snapshot {summary.snapshot}")
    click.echo("\nKnown gaps; README.md has them all:")
    for gap in summary.warnings:
        click.echo(f"  - {gap}")
    click.echo(f"\nOpen it with {summary.opens_with}")
