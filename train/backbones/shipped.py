"""Where the backbone lies that Rounds ships. Torch-free."""

from pathlib import Path

SHIPPED = "shipped"  # what requests and commands call it
SHIPPED_BACKBONE = Path(__file__).parents[1] / "shipped" / "virtual-brains-vit"


def backbone_location(backbone: str) -> str:
    """The directory or Hugging Face id that the name of a backbone stands for."""
    return str(SHIPPED_BACKBONE) if backbone == SHIPPED else backbone


def portable_name(backbone: str) -> str:
    """What saved files call a backbone: the shipped one by its place in the checkout."""
    return f"train/shipped/{SHIPPED_BACKBONE.name}" if backbone == SHIPPED else backbone
