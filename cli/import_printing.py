"""How the report of an import is printed: counts, then what was left out and what is to be looked at."""

from typing import Any

import click

from cli.project import print_some
from cli.terminal import emit
from curation.ingest.import_report import Duplicate, DuplicateKind, ImportReport
from curation.tables.images import Split

_NAMED = 3  # files named beside a reason they share


def print_report(found: ImportReport, dry_run: bool) -> None:
    """Print the report."""
    _print_first_line(found, dry_run)
    if found.counts:
        emit(_rows(found), as_json=False)
    if found.notice:
        click.echo(found.notice)
    across_splits = found.duplicates_of_kind(DuplicateKind.ACROSS_SPLITS)
    same_subject = found.duplicates_of_kind(DuplicateKind.SAME_SUBJECT)
    across_subjects = found.duplicates_of_kind(DuplicateKind.ACROSS_SUBJECTS)
    _print_list("left out: the very same picture stands in another split", [_line(one) for one in across_splits])
    _print_list("left out: the same picture of the same subject again", [_line(one) for one in same_subject])
    _print_list(
        "kept, but the same picture comes under two subjects of one split", [_line(one) for one in across_subjects]
    )
    suspects = [(one.why, one.source_file, "") for one in found.burnt_in]
    _print_list("kept, but look at them: text may be burnt in", _by_reason(suspects), len(suspects))
    rejected = [(one.reason, one.source_file, one.detail) for one in found.rejected]
    _print_list("left out", _by_reason(rejected), len(rejected))
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


def _by_reason(files: list[tuple[str, str, str]]) -> list[str]:
    """One line for each reason, the most frequent first: how many files, and the first few by name."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for reason, name, detail in files:
        groups.setdefault(reason, []).append((name, detail))
    lines = []
    for reason, found in sorted(groups.items(), key=lambda group: -len(group[1])):
        if len(found) == 1:
            [(name, detail)] = found
            lines.append(f"{name}: {reason}" + (f": {detail}" if detail else ""))
            continue
        named = [f"{name} ({detail})" if detail else name for name, detail in found[:_NAMED]]
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        lines.append(f"{len(found)} files: {reason}: {', '.join(named)}{more}")
    return lines


def _print_list(title: str, lines: list[str], count: int | None = None) -> None:
    count = len(lines) if count is None else count
    if lines:
        click.echo(f"{count} {title}:")
        print_some(lines)
        if count > len(lines):
            click.echo("  --json lists every file")
