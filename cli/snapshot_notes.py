"""Warn before a snapshot is used that is stale, or whose images are on several scales."""

from collections.abc import Sequence

import click

from curation.project import Project
from curation.snapshots.build import find_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.stale import stale_line, why_stale


def stale_snapshots(project: Project, names: Sequence[str]) -> list[str]:
    """Print a line on standard error for each stale snapshot of `names`, and return the lines."""
    digests: dict[tuple[str, ...], str] = {}
    with project.database.read() as session:
        reasons = [(name, why_stale(session, find_snapshot(session, name), digests)) for name in names]
    lines = [stale_line(name, why) for name, why in reasons if why]
    for line in lines:
        click.secho(line, fg="yellow", err=True)
    return lines


def warn_of_mixed_scales(folder: SnapshotFolder) -> None:
    """Print a line on standard error where the real images of a snapshot are on several scales."""
    if folder.mixed_scales:
        click.secho(f"snapshot {folder.name!r}: {folder.mixed_scales}", fg="yellow", err=True)
