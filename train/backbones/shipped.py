"""The place of the backbone that Rounds ships, and what saved files call it. Torch-free."""

from pathlib import Path

SHIPPED = "shipped"  # what requests and commands call it
SHIPPED_BACKBONE = Path(__file__).parents[1] / "shipped" / "virtual-brains-vit"


def backbone_location(backbone: str) -> str:
    """Resolve the name of a backbone to a directory or a Hugging Face id."""
    return str(SHIPPED_BACKBONE) if backbone == SHIPPED else backbone


def portable_name(backbone: str) -> str:
    """Name a backbone for saved files: the shipped one by its place in the checkout."""
    return f"train/shipped/{SHIPPED_BACKBONE.name}" if backbone == SHIPPED else backbone


def absolute_location(backbone: str) -> str:
    """Name the directory of a backbone in full, since a worker may run in another one; other names stay as they are.

    `shipped` stays `shipped` beside a directory of that name, which is `./shipped`.
    """
    directory = Path(backbone)
    return str(directory.resolve()) if backbone != SHIPPED and directory.is_dir() else backbone
