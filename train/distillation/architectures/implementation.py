"""What the module of an architecture implements, and how it is found."""

from importlib import import_module
from typing import Any, Protocol, cast

from transformers import PreTrainedModel

from train.distillation.architecture_table import ArchitectureConfig


class ArchitectureModule(Protocol):
    """How an architecture is made in a layout of transformers."""

    def make_encoder(self, settings: Any, image_size: int, feature_pooling: str) -> PreTrainedModel:
        """Make the network with random weights; its config.json names the pooling."""


def find_architecture(settings: ArchitectureConfig) -> ArchitectureModule:
    """Import the module of an architecture by its name, so that the table never imports torch."""
    return cast(ArchitectureModule, import_module(f"{__package__}.{settings.kind}"))
