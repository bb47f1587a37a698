"""Two linear projections into one space, with a learned temperature."""

import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from train.adaptation.model import ROUNDING
from train.image_text.recipe import AlignmentRecipe

LARGEST_SCALE = 100.0  # CLIP's bound: beyond it a fit is unstable
FIRST_BIAS = -10.0  # SigLIP's: nearly all pairs of a batch are negatives


class Projections(nn.Module):
    """Standardised features of each tower, times a matrix, as unit vectors (N, D)."""

    def __init__(self, image_dimension: int, text_dimension: int, recipe: AlignmentRecipe) -> None:
        super().__init__()
        self.dropout = recipe.dropout
        self.image = nn.Linear(image_dimension, recipe.dimension, bias=False)
        self.text = nn.Linear(text_dimension, recipe.dimension, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / recipe.temperature)))
        self.bias = nn.Parameter(torch.tensor(FIRST_BIAS if recipe.loss == "sigmoid" else 0.0))
        self.bias.requires_grad_(recipe.loss == "sigmoid")
        for tower, dimension in (("image", image_dimension), ("text", text_dimension)):
            self.register_buffer(f"{tower}_mean", torch.zeros(dimension))
            self.register_buffer(f"{tower}_deviation", torch.ones(dimension))

    def standardised_by(self, image_features: Tensor, text_features: Tensor) -> Self:
        """Set mean and deviation of each feature from those of training pairs; one that does not vary has scale 1."""
        for tower, features in (("image", image_features), ("text", text_features)):
            mean, deviation = features.double().mean(dim=0), features.double().std(dim=0, correction=0)
            constant = deviation <= ROUNDING * (mean.abs() + 1)
            getattr(self, f"{tower}_mean").copy_(mean)
            getattr(self, f"{tower}_deviation").copy_(deviation.masked_fill(constant, 1.0))
        return self

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied with: one over the temperature."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    def images(self, features: Tensor) -> Tensor:
        """Unit vectors (N, D) of the image tower's features (N, Di)."""
        return self._project("image", features)

    def texts(self, features: Tensor) -> Tensor:
        """Unit vectors (N, D) of the text tower's features (N, Dt)."""
        return self._project("text", features)

    def _project(self, tower: str, features: Tensor) -> Tensor:
        standard = (features - getattr(self, f"{tower}_mean")) / getattr(self, f"{tower}_deviation")
        projected: Tensor = getattr(self, tower)(dropout(standard, self.dropout, self.training))
        return normalize(projected, dim=1)
