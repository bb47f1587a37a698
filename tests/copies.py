"""Projects that are made once and copied, so that each test may change its own."""

import shutil
from pathlib import Path

from curation.project import Project


def copied(made: Project, root: Path) -> Project:
    """The same project, with its files, in a new directory."""
    made.database.dispose()  # SQLite folds its log into the file
    shutil.copytree(made.root, root)
    return Project.open(root)
