"""List folders that interrupted work left under a hidden name."""

from collections.abc import Iterator

from curation.project import Project

FOLDERS = ("backbones", "generators", "runs", "snapshots", "studies")


def folders_set_aside(project: Project) -> Iterator[str]:
    """List folders that interrupted work left under a hidden name: half written, or half removed."""
    for parent in FOLDERS:
        yield from sorted(f"{parent}/{path.name}" for path in (project.root / parent).glob(".*.part"))
