"""Print the report of an import: counts, what was left out, what needs a look."""

from typing import Any

import click

from cli.project import print_some
from cli.terminal import emit
from curation.ingest.import_report import Duplicate, DuplicateKind, ImportReport
from curation.tables.images import Split

_NAMED = 3  # files named beside a reason they share
DUPLICATES = {
    DuplicateKind.ACROSS_SPLITS: "left out: the same image is in another split",
    DuplicateKind.SAME_SUBJECT: "left out: the same image of the same subject again",
    DuplicateKind.ACROSS_SUBJECTS: "kept, but the same image comes under two subjects of one split",
}


def print_report(report: ImportReport, dry_run: bool) -> None:
    """Print the report."""
    _print_first_line(report, dry_run)
    if report.counts:
        emit(_rows(report), as_json=False)
    if report.notice:
        click.echo(report.notice)
    for kind, title in DUPLICATES.items():
        _print_list(title, [_line(entry) for entry in report.duplicates_of_kind(kind)])
    suspects = [(entry.why, entry.source_file, "") for entry in report.burnt_in]
    _print_list("kept, but look at them: text may be burnt in", _by_reason(suspects), len(suspects))
    rejected = [(entry.reason, entry.source_file, entry.detail) for entry in report.rejected]
    _print_list("left out", _by_reason(rejected), len(rejected))
    for note in report.notes:
        click.echo(f"note: {note}")


def _print_first_line(report: ImportReport, dry_run: bool) -> None:
    if report.repeated:
        click.echo(f"{report.source} was imported before: nothing was added. It brought then:")
        return
    already = f", {report.already} were here already" if report.already else ""
    done = "images would be added, nothing was stored" if dry_run else "images added"
    click.echo(f"{report.source}: {report.added} {done}{already}")


def _rows(report: ImportReport) -> list[dict[str, Any]]:
    labels = sorted({label for counts in report.counts.values() for label in counts})
    splits = [split.value for split in Split if split.value in report.counts]
    rows: list[dict[str, Any]] = []
    for split in splits:
        counts = {label: report.counts[split].get(label, 0) for label in labels}
        rows.append({"split": split, **counts, "subjects": report.subjects[split]})
    return rows


def _line(duplicate: Duplicate) -> str:
    differ = f"; labels differ: {duplicate.label}, {duplicate.of_label}" if duplicate.labels_differ else ""
    return f"{duplicate.source_file} ({duplicate.split}) = {duplicate.of_file} ({duplicate.of_split}){differ}"


def _by_reason(files: list[tuple[str, str, str]]) -> list[str]:
    """One line for each reason, the most frequent first: how many files, and the first few by name."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for reason, name, detail in files:
        groups.setdefault(reason, []).append((name, detail))
    lines = []
    for reason, group in sorted(groups.items(), key=lambda group: -len(group[1])):
        if len(group) == 1:
            [(name, detail)] = group
            lines.append(f"{name}: {reason}" + (f": {detail}" if detail else ""))
            continue
        shown = [f"{name} ({detail})" if detail else name for name, detail in group[:_NAMED]]
        more = f" and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
        lines.append(f"{len(group)} files: {reason}: {', '.join(shown)}{more}")
    return lines


def _print_list(title: str, lines: list[str], count: int | None = None) -> None:
    count = len(lines) if count is None else count
    if lines:
        click.echo(f"{count} {title}:")
        print_some(lines)
        if count > len(lines):
            click.echo("  --json lists every file")
