"""The places of the backbones that Rounds ships. Torch-free."""

from pathlib import Path

SHIPPED = "shipped"  # what requests and commands call it
_DIRECTORY = Path(__file__).parents[1] / "shipped"
SHIPPED_BACKBONE = _DIRECTORY / "virtual-brains-student"
EARLIER_SHIPPED = (_DIRECTORY / "virtual-brains-vit",)  # what `shipped` was: runs and studies made with it rest on it


def find_shipped(backbone: str) -> Path | None:
    """Find the folder of `shipped`, or of what was shipped before by its own name."""
    by_name = {directory.name: directory for directory in (SHIPPED_BACKBONE, *EARLIER_SHIPPED)}
    return SHIPPED_BACKBONE if backbone == SHIPPED else by_name.get(backbone)
