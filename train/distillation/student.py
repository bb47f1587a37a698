"""The small network that learns a teacher's features, with the heads it needs while it learns."""

import torch
from torch import Tensor, nn

from train.backbones.pooling import pool_features
from train.distillation.architectures.implementation import find_architecture
from train.distillation.recipe import DistilRecipe
from train.pretraining.objectives.feature_distillation import Features

LEARNT_POOLING = "map-max"  # what the teacher's whole-image features are predicted from


class Student(nn.Module):
    """A convolutional network and two linear heads; only the network, `encoder`, is kept after the fit."""

    def __init__(self, recipe: DistilRecipe, whole_size: int, patch_size: int) -> None:
        super().__init__()
        architecture = find_architecture(recipe.architecture)
        self.encoder = architecture.make_encoder(recipe.architecture, recipe.image_size, recipe.feature_pooling)
        channels = recipe.architecture.hidden_sizes[-1]
        self.whole_head = nn.Linear(2 * channels, whole_size)
        self.patch_head = nn.Linear(channels, patch_size)

    def forward(self, inputs: Tensor) -> Features:
        """Predict the teacher's features of inputs (B, C, h, w)."""
        output = self.encoder(inputs)
        places = output.last_hidden_state.flatten(2).transpose(1, 2)  # (B, T, channels)
        return Features(self.whole_head(pool_features(output, LEARNT_POOLING)), self.patch_head(places))


def make_student(recipe: DistilRecipe, whole_size: int, patch_size: int) -> Student:
    """Make a randomly initialised student for a teacher whose features have these lengths."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return Student(recipe, whole_size, patch_size)
