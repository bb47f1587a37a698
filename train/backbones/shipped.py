"""The place of the backbone that Rounds ships. Torch-free."""

from pathlib import Path

SHIPPED = "shipped"  # what requests and commands call it
SHIPPED_BACKBONE = Path(__file__).parents[1] / "shipped" / "virtual-brains-vit"
