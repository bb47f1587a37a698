"""A backbone whose weights train: all of them, or low-rank updates that are merged at the end."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from curation.errors import BadInput
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.rows.peft_adapters import Lora
from train.adaptation.rows.weights import Full
from train.backbones.load import Backbone, quiet_transformers
from train.backbones.pooling import pool_features
from train.fitting.checkpoint import remove_unfinished_weights
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.tokens import Tokens, call_network, find_network, read_tokens


class TrainedEncoder(nn.Module):
    """A backbone as a module: pooled features, class and patch tokens, and the weights that train."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.model = backbone.model
        height, width = backbone.preprocessing.input_size
        if height != width:
            raise BadInput(
                f"backbone {backbone.name!r} makes inputs of {height} x {width}; pretraining takes square ones. Set "
                "size in its preprocessor_config.json to a square."
            )
        self.side = height
        with torch.inference_mode():
            blank = torch.zeros(1, backbone.preprocessing.num_channels, height, width, device=backbone.device)
            tokens = read_tokens(backbone.model, blank)
        self.num_cells, self.token_size = tokens.patches.shape[1:]
        self.has_class_token = tokens.class_token is not None
        grid = round(self.num_cells**0.5)
        if grid**2 != self.num_cells or height % grid:
            raise BadInput(
                f"backbone {backbone.name!r} makes {self.num_cells} features of an input of {height} x {width}, which "
                "are no square grid. Choose another input size or another backbone."
            )
        self.cell_size = height // grid

    @classmethod
    def prepare(cls, backbone: Backbone, recipe: ContinuedRecipe) -> "TrainedEncoder":
        """Set which weights train; raises BadInput for low-rank updates that the network cannot have."""
        method = Lora(rank=recipe.lora_rank, alpha=recipe.lora_alpha) if recipe.trainable == "lora" else Full()
        implementation = find_implementation(method)
        implementation.check(backbone, method)
        return cls(implementation.prepare(backbone, method, recipe.backbone))

    @property
    def network(self) -> PreTrainedModel:
        """The transformers model, with the low-rank updates in it where there are any."""
        return find_network(self.model)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features (N, D) of preprocessed inputs (N, C, h, w), pooled as those of the backbone."""
        return pool_features(call_network(self.model, inputs), self.backbone.pooling)

    def tokens(self, inputs: Tensor, **options: Any) -> Tokens:
        """Class token (N, D), where there is one, and features of the cells (N, T, D); options go to the model."""
        return read_tokens(self.model, inputs, **options)

    def merged(self) -> Backbone:
        """Merge low-rank updates into the weights; the encoder is not trained any more after that."""
        model = self.model.merge_and_unload() if isinstance(self.model, PeftModel) else self.model
        return replace(self.backbone, model=model.eval())


def save_backbone(backbone: Backbone, directory: Path) -> None:
    """Write a stock transformers folder: weights, configuration and preprocessing."""
    directory.mkdir(parents=True, exist_ok=True)
    remove_unfinished_weights(directory)
    with quiet_transformers():
        backbone.model.save_pretrained(directory)
    preprocessing = json.dumps(backbone.preprocessing.as_config(), indent=1) + "\n"
    (directory / "preprocessor_config.json").write_text(preprocessing)
