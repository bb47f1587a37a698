"""The small network that learns a teacher's features, with the heads it needs while it learns."""

import torch
from torch import Tensor, nn
from transformers import ConvNextConfig, ConvNextModel

from train.backbones.pooling import pool_features
from train.distillation.recipe import DistilRecipe
from train.pretraining.masked_autoencoder import NUM_CHANNELS
from train.pretraining.objectives.feature_distillation import Features

LEARNT_POOLING = "map-max"  # what the teacher's whole-image features are predicted from


class Student(nn.Module):
    """A ConvNeXt and two linear heads; only the ConvNeXt, `encoder`, is kept after the fit."""

    def __init__(self, recipe: DistilRecipe, whole_size: int, patch_size: int) -> None:
        super().__init__()
        config = ConvNextConfig(
            num_channels=NUM_CHANNELS,
            patch_size=recipe.patch_size,
            num_stages=len(recipe.depths),
            hidden_sizes=list(recipe.hidden_sizes),
            depths=list(recipe.depths),
            layer_scale_init_value=recipe.layer_scale,
            image_size=recipe.image_size,
            feature_pooling=recipe.feature_pooling,
        )
        self.encoder = ConvNextModel(config)
        channels = recipe.hidden_sizes[-1]
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
