"""The class token and the features of the cells of a network, apart."""

import inspect
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from train.backbones.load import Backbone
from train.backbones.names import backbone_location
from train.backbones.pooling import Tokens, split_tokens
from train.fitting.device import choose_device


def find_network(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The transformers model, with the low-rank updates in it where there are any."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def call_network(model: PreTrainedModel | PeftModel, inputs: Tensor, **options: Any) -> Any:
    """Run the model on inputs (N, C, h, w) of any size that divides; the patches of a ViTMAE stay in order."""
    network = find_network(model)
    if "interpolate_pos_encoding" in inspect.signature(network.forward).parameters:
        options["interpolate_pos_encoding"] = True
    if network.config.model_type == "vit_mae":
        num_patches = inputs.shape[2] * inputs.shape[3] // network.config.patch_size**2
        options["noise"] = torch.arange(num_patches, device=inputs.device, dtype=inputs.dtype).expand(len(inputs), -1)
    return model(inputs, **options)


def read_tokens(model: PreTrainedModel | PeftModel, inputs: Tensor, **options: Any) -> Tokens:
    """Read class token and cells of inputs (N, C, h, w); registers are left out, a feature map is its cells."""
    return split_tokens(call_network(model, inputs, **options), find_network(model))


def load_backbone(name: str, input_size: int | None, near: Path) -> Backbone:
    """Load a backbone by its name on the device that fits run on; `near` is a path of its project.

    Raises BadInput where the network does not take images of `input_size`.
    """
    return Backbone.load(backbone_location(name, near), choose_device(), input_size)
