"""What the module of an adaptation method implements, and how it is found."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from train.adaptation.methods.table import MethodConfig
from train.adaptation.model import AdaptedModel
from train.backbones.load import Backbone


class Implementation(Protocol):
    """How a method changes an encoder, and how what it changed is saved and read again."""

    def check(self, backbone: Backbone, method: Any) -> None:
        """Raise BadInput where the encoder cannot be adapted with these settings."""

    def prepare(self, backbone: Backbone, method: Any, name: str) -> Backbone:
        """Set which weights train, and add new ones; saved files call the base `name`."""

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write into the run's folder what it takes to rebuild the encoder; the head is saved by the caller."""

    def load(self, directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
        """Rebuild the adapted encoder from the run's folder; `base` loads the backbone it was adapted from."""


def find_implementation(method: MethodConfig) -> Implementation:
    """Import the module of a method by its name, so that the table of methods never imports torch."""
    return cast(Implementation, import_module(f"{__package__}.{method.kind.replace('-', '_')}"))
