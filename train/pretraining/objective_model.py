"""The module that an objective trains: an encoder with heads, decoders or teachers around it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from train.backbones.load import Backbone
from train.fitting.kept_weights import KeptWeights
from train.pretraining.batch import BatchShape
from train.pretraining.trained_encoder import TrainedEncoder


@dataclass(frozen=True, slots=True)
class FitContext:
    """What objectives know of the fit: its length, its classes, some of its images, how backbones are found."""

    steps: int
    n_classes: int
    sample: Tensor  # (N, C, H, W) training images, preprocessed
    load_backbone: Callable[[str, int | None], Backbone]  # by name and input size


class ObjectiveModel(nn.Module):
    """The base: subclasses hold an encoder and may hold frozen modules beside what trains."""

    encoder: TrainedEncoder

    @property
    def batch_shape(self) -> BatchShape:
        """The sizes of what a batch holds."""
        return BatchShape(self.encoder.num_cells)

    def kept_weights(self, steps: int) -> KeptWeights:
        """What follows the weights step by step: nothing, unless a subclass has a moving average."""
        return KeptWeights()

    def train(self, mode: bool = True) -> Self:
        """Set the mode; frozen normalisation keeps its statistics, and frozen parts stay in evaluation."""
        super().train(mode)
        for module in self.modules():
            weights = list(module.parameters())
            is_frozen = bool(weights) and not any(weight.requires_grad for weight in weights)
            if is_frozen and isinstance(module, _BatchNorm):
                module.eval()
        return self


def make_projector(size: int, hidden: int, out: int) -> nn.Sequential:
    """Make a perceptron of one hidden layer."""
    return nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, out))
