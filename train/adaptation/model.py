"""A backbone with a linear head: the model that every adaptation trains."""

from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from curation.errors import BadInput
from train.backbones.load import Backbone

ROUNDING = 1e-6  # of the size of a feature: a deviation below it is that of rounding


class StandardizedHead(nn.Module):
    """A linear head on features brought to mean 0 and deviation 1; saved as one plain linear layer.

    A feature that does not vary has scale 1: dividing by nearly nothing would blow up its first change.
    """

    def __init__(self, mean: Tensor, std: Tensor, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.linear = nn.Linear(len(mean), n_classes)
        self.n_constant = 0  # features that do not vary among those it was fitted to
        self.facts: dict[str, Any] = {}  # what the run's card says of it beside the rest

    @classmethod
    def fitted(cls, features: Tensor, n_classes: int) -> Self:
        """Make a head that standardises by the mean and deviation of `features` (N, D).

        Raises BadInput where no feature varies.
        """
        mean, std = features.mean(dim=0), features.std(dim=0, correction=0)
        constant = std <= ROUNDING * (1 + mean.abs())
        if bool(constant.all()):
            raise BadInput(
                f"the backbone gives all {len(features)} training images the same features, so nothing can be learnt. "
                "Choose another --backbone, or check that its preprocessing and the images are not blank."
            )
        head = cls(mean, std.masked_fill(constant, 1.0), n_classes)
        head.n_constant = int(constant.sum())
        return head

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        state = load_file(path)
        n_classes, dimension = state["weight"].shape
        head = cls(torch.zeros(dimension), torch.ones(dimension), n_classes)
        head.linear.load_state_dict(state)
        return head

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) features to (N, n_classes) logits."""
        logits: Tensor = self.linear((features - self.mean) / self.std)
        return logits

    def save(self, path: Path) -> None:
        """Write weight (n_classes, D) and bias (n_classes,) with the standardisation folded in."""
        weight = self.linear.weight.detach() / self.std
        bias = self.linear.bias.detach() - weight @ self.mean
        save_file({"weight": weight.cpu().contiguous(), "bias": bias.cpu().contiguous()}, path)


class AdaptedModel(nn.Module):
    """A backbone, adapted or frozen, with its head: preprocessed images in, logits out."""

    def __init__(self, backbone: Backbone, head: StandardizedHead, *, fixed_statistics: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.fixed_statistics = fixed_statistics  # of every BatchNorm: the head was fitted to features under them
        self.encoder = backbone.model
        self.head = head

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, h, w) preprocessed images to (N, n_classes) logits."""
        logits: Tensor = self.head(self.backbone.pooled(inputs))
        return logits

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen BatchNorm stays in eval, since its running statistics are not saved.

        So does every one where statistics are fixed: those of a batch of other images than the encoder was trained on
        give features that the fitted head has never seen.
        """
        super().train(mode)
        for module in self.encoder.modules():
            trains = any(weight.requires_grad for weight in module.parameters())
            if isinstance(module, _BatchNorm) and (self.fixed_statistics or not trains):
                module.eval()
        return self

    def parameter_counts(self) -> dict[str, int]:
        """Count all parameters, and those that train."""
        parameters = list(self.parameters())
        trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        return {"total": sum(parameter.numel() for parameter in parameters), "trainable": trainable}
