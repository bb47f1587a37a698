"""Linear probe: the encoder stays frozen, and the head alone is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.adaptation.methods.table import LinearProbe as Config
from train.adaptation.model import AdaptedModel
from train.backbones.load import Backbone


def check(backbone: Backbone, method: Config) -> None:
    """Accept every encoder."""


def prepare(backbone: Backbone, method: Config, name: str) -> Backbone:
    """Freeze the encoder."""
    backbone.model.requires_grad_(False)
    return backbone


def save(model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
    """Write nothing: the encoder is the backbone's."""


def load(directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
    """Load the backbone."""
    return base()
