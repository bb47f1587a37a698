"""Resolve what a backbone is called: `shipped`, a name of the project, a directory or a hub's id.

Torch-free. A name that is shipped or was added to the project goes before a directory of that name, which is `./NAME`.
"""

from pathlib import Path

from curation.errors import NotFound
from curation.project import Project
from curation.requests import NAME
from curation.settings import find_project
from train.backbones.shipped import find_shipped

FOLDER = "backbones"  # of a project: one folder a name
CARD = "card.json"


def find_added(backbone: str, near: Path) -> Path | None:
    """Find the folder of a name that was added to the project which `near` lies in, else to that of this directory."""
    if find_shipped(backbone) or not NAME.fullmatch(backbone):
        return None
    directory = _project_around(near) / FOLDER / backbone
    return directory if (directory / CARD).is_file() else None


def backbone_location(backbone: str, near: Path) -> str:
    """Resolve what a backbone is called to a directory or a Hugging Face id; `near` is a path of the project."""
    return str(find_shipped(backbone) or find_added(backbone, near) or backbone)


def backbone_of_project(project: Project, backbone: str | None) -> str:
    """Resolve what a command was given, else the backbone that `rounds.toml` names."""
    return backbone_location(backbone or project.settings.train.backbone, project.root)


def portable_name(backbone: str, directory: Path) -> str:
    """Name a backbone for saved files by its place: in the checkout the shipped one, in its project one with a name."""
    if find_shipped(backbone):
        return f"train/shipped/{directory.name}"  # `shipped` may stand for an earlier one
    is_added = directory.parent.name == FOLDER and directory.name == backbone
    return f"{FOLDER}/{backbone}" if is_added else backbone


def absolute_location(backbone: str, near: Path) -> str:
    """Name the directory of a backbone in full, since a worker may run in another one; other names stay as they are.

    `shipped` and names of the project stay beside a directory of that name, which is `./NAME`.
    """
    directory = Path(backbone)
    is_name = find_shipped(backbone) is not None or find_added(backbone, near) is not None
    return str(directory.resolve()) if not is_name and directory.is_dir() else backbone


def _project_around(near: Path) -> Path:
    for start in (near.resolve(), Path.cwd()):
        try:
            return find_project(start)
        except NotFound:
            continue
    return near
