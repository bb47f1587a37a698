"""What to know of a snapshot before it is used: stale, scales, near copies of training images."""

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


def near_copies_of_folder(folder: SnapshotFolder, split: str) -> str:
    """How many images of a held-out split of the folder look like a training image of another subject."""
    names = folder.near_copies(split)
    return near_copies_line(split, None if names is None else len(names), sum(1 for _ in folder.iter_rows(split)))


def near_copies_line(split: str, count: int | None, n_images: int) -> str:
    """How many images of a held-out split look like a training image of another subject; None: nobody searched."""
    if count is None:
        return "not searched: run `rounds near-copies find` before a snapshot is built"
    return f"{count} of {n_images} {split} images look like a training image of another subject"
