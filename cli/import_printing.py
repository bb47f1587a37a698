"""How the report of an import is printed: counts, then what was left out and what is to be looked at."""

from typing import Any

import click

from cli.project import print_some
from cli.terminal import emit
from curation.ingest.import_report import Duplicate, DuplicateKind, ImportReport
from curation.models.images import Split


def print_report(found: ImportReport, dry_run: bool) -> None:
    """Print the report."""
    _print_first_line(found, dry_run)
    if found.counts:
        emit(_rows(found), as_json=False)
    if found.notice:
        click.echo(found.notice)
    across_splits = found.found(DuplicateKind.ACROSS_SPLITS)
    same_subject = found.found(DuplicateKind.SAME_SUBJECT)
    across_subjects = found.found(DuplicateKind.ACROSS_SUBJECTS)
    _print_list("left out: the very same picture stands in another split", [_line(one) for one in across_splits])
    _print_list("left out: the same picture of the same subject again", [_line(one) for one in same_subject])
    _print_list(
        "kept, but the same picture comes under two subjects of one split", [_line(one) for one in across_subjects]
    )
    _print_list(
        "kept, but look at them: text may be burnt in", [f"{one.source_file}: {one.why}" for one in found.burnt_in]
    )
    _print_list("left out", [str(one) for one in found.rejected])
    for note in found.notes:
        click.echo(f"note: {note}")


def _print_first_line(found: ImportReport, dry_run: bool) -> None:
    if found.repeated:
        click.echo(f"{found.source} was imported before: nothing was added. It brought then:")
        return
    here = f", {found.already} were here already" if found.already else ""
    done = "images would be added, nothing was stored" if dry_run else "images added"
    click.echo(f"{found.source}: {found.added} {done}{here}")


def _rows(found: ImportReport) -> list[dict[str, Any]]:
    labels = sorted({label for counts in found.counts.values() for label in counts})
    splits = [split.value for split in Split if split.value in found.counts]
    rows: list[dict[str, Any]] = []
    for split in splits:
        counts = {label: found.counts[split].get(label, 0) for label in labels}
        rows.append({"split": split, **counts, "subjects": found.subjects[split]})
    return rows


def _line(one: Duplicate) -> str:
    differ = f"; labels differ: {one.label}, {one.of_label}" if one.labels_differ else ""
    return f"{one.source_file} ({one.split}) = {one.of_file} ({one.of_split}){differ}"


def _print_list(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"{len(lines)} {title}:")
        print_some(lines)
