"""The class token and the features of the cells of a network, apart."""

import inspect
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from train.backbones.load import Backbone, has_class_token, try_inputs
from train.backbones.shipped import backbone_location
from train.fitting.device import choose_device


@dataclass(frozen=True, slots=True)
class Tokens:
    """Class token (N, D), None where there is none, and the features of the cells (N, T, D), row by row."""

    class_token: Tensor | None
    patches: Tensor


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
    hidden = call_network(model, inputs, **options).last_hidden_state
    if hidden.ndim == 4:
        return Tokens(None, hidden.flatten(2).transpose(1, 2))
    network = find_network(model)
    with_class_token = has_class_token(network)
    registers = int(getattr(network.config, "num_register_tokens", 0) or 0)
    return Tokens(hidden[:, 0] if with_class_token else None, hidden[:, int(with_class_token) + registers :])


def load_backbone(name: str, input_size: int | None) -> Backbone:
    """Load a backbone by its name on the device that fits run on; images are fed at `input_size` where it is given.

    Raises BadInput where the network does not take that size.
    """
    backbone = Backbone.load(backbone_location(name), choose_device())
    if input_size is None:
        return backbone
    preprocessing = replace(backbone.preprocessing, size=(input_size, input_size), resize="stretch", pad=None)
    try_inputs(backbone.model, torch.zeros(1, preprocessing.num_channels, input_size, input_size), backbone.directory)
    return replace(backbone, preprocessing=preprocessing)
