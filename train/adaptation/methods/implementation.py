"""What the file of an adaptation method implements, and how it is found."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from curation.progress import OnProgress
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.config import AdaptationConfig
from train.adaptation.fit import FitTask, History, train_model
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.rows.row import MethodConfig
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache


class Implementation(ABC):
    """How a method changes an encoder, how it is fitted, and how what it changed is saved and read again."""

    @abstractmethod
    def check(self, backbone: Backbone, method: MethodConfig) -> None:
        """Raise BadInput where the encoder cannot be adapted with these settings."""

    @abstractmethod
    def prepare(self, backbone: Backbone, method: MethodConfig, name: str) -> Backbone:
        """Set which weights train, and add new ones; saved files call the base `name`."""

    def fit(self, model: AdaptedModel | StandardizedHead, task: FitTask) -> History:
        """Fit what trains, from the checkpoint if there is one: of a frozen encoder the head, else the whole model."""
        return train_model(model, task)

    @abstractmethod
    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write into the run's folder what it takes to rebuild the encoder; the head is saved by the caller."""

    @abstractmethod
    def load(self, directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
        """Rebuild the adapted encoder from the run's folder; `base` loads the backbone it was adapted from."""


class FrozenEncoder(Implementation):
    """A method that fits the head alone."""

    def check(self, backbone: Backbone, method: MethodConfig) -> None:
        """Accept every encoder."""

    def prepare(self, backbone: Backbone, method: MethodConfig, name: str) -> Backbone:
        """Freeze the encoder."""
        backbone.model.requires_grad_(False)
        return backbone

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write nothing: the encoder is the backbone's."""

    def load(self, directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
        """Load the backbone."""
        return base()


class SummedHead(FrozenEncoder):
    """A method that solves for the head from sums over the snapshot; its row says `summed`."""

    @abstractmethod
    def solve(
        self, folder: SnapshotFolder, cache: FeatureCache, config: AdaptationConfig, on_progress: OnProgress
    ) -> StandardizedHead:
        """Solve for the head from the sums."""


def find_implementation(method: MethodConfig) -> Implementation:
    """Import the file that the method's row names, so that the table of methods never imports torch."""
    module = import_module(f"{__package__}.{method.row.module}")
    return cast(Implementation, module.IMPLEMENTATION)
