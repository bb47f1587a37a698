"""A project as `rounds init` leaves it, without the time that a migration takes."""

from pathlib import Path

from curation.project import KEYS, Project
from curation.settings import write_project_file


def new_project(root: Path, name: str, database_url: str, store_url: str) -> Project:
    """Write the settings and the keys of a project whose database is there already, and open it."""
    write_project_file(root, name, database_url, store_url)
    project = Project.open(root)
    for key in KEYS:
        project.make_key(key)
    project.store.prepare()
    return project
