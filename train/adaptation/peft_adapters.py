"""Add, save and load the adapters of peft, whichever of its methods made them."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from torch import nn

from curation.errors import BadInput
from train.adaptation.model import AdaptedModel
from train.backbones.load import Backbone

DIRECTORY = "adapter"


def find_layers_to_adapt(model: nn.Module) -> list[str]:
    """Find the layers to adapt: the linear ones of the attention, else all linear ones, else the convolutions.

    Discovered from the model, since their names change between architectures and releases. The convolution that reads
    the image stays as it is: it has as few channels as the image. Raises BadInput when the model has no such layer.
    """
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    convolutions = [
        name for name, module in model.named_modules() if isinstance(module, nn.Conv2d) and module.groups == 1
    ]
    layers = [name for name in linears if "attention" in name or "attn" in name] or linears or convolutions[1:]
    if not layers:
        raise BadInput(
            f"expected linear layers or convolutions to adapt, but {type(model).__name__} has none. Choose another"
            " --adaptation or another backbone."
        )
    return layers


def find_linear_layers(model: nn.Module) -> list[str]:
    """Find the layers to adapt; raises BadInput where they are convolutions, which not every adapter takes."""
    layers = find_layers_to_adapt(model)
    if not isinstance(model.get_submodule(layers[0]), nn.Linear):
        raise BadInput(
            f"expected linear layers to adapt, but {type(model).__name__} has convolutions alone. Choose another"
            " --adaptation or another backbone."
        )
    return layers


def find_layer_normalisations(model: nn.Module) -> list[str]:
    """Find the layer normalisations; raises BadInput when the model has none."""
    norms = [name for name, part in model.named_modules() if isinstance(part, nn.LayerNorm)]
    if not norms:
        raise BadInput(
            f"expected layer normalisations to adapt, but {type(model).__name__} has none. Choose another"
            " --adaptation or another backbone."
        )
    return norms


TARGETS: dict[str, Callable[[nn.Module], list[str]]] = {
    "linear_layers": find_linear_layers,
    "linear_layers_or_convolutions": find_layers_to_adapt,
    "layer_normalisations": find_layer_normalisations,
}


def add_adapter(backbone: Backbone, config: PeftConfig, name: str) -> Backbone:
    """Freeze the encoder and wrap it; `adapter_config.json` will call its base `name`."""
    backbone.model.requires_grad_(False)
    backbone.model.config.name_or_path = backbone.model.name_or_path = name
    with _quiet_peft():
        return replace(backbone, model=get_peft_model(backbone.model, config))


def save_adapter(model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
    """Write the adapter as stock peft does."""
    model.encoder.save_pretrained(directory / DIRECTORY, save_embedding_layers=False)


def load_adapter(directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
    """Load the backbone with the adapter in the run's folder."""
    backbone = base()
    with _quiet_peft():
        return replace(backbone, model=PeftModel.from_pretrained(backbone.model, directory / DIRECTORY))


NOISE = (
    "`is_gradient_checkpointing` is deprecated",  # peft 0.21 asks transformers 5.23 for an attribute by its old name
    "Unsupported layer type '<class 'torch.nn.modules.normalization.LayerNorm'>'",  # LN tuning is for those
    "Failed to load the CUDA extension",  # BOFT then computes the same without it,
    "Setting boft_n_butterfly_factor to 1",  # which is its default
)


@contextmanager
def _quiet_peft() -> Iterator[None]:
    """Silence warnings that no user can act on."""
    torch.sparse.check_sparse_tensor_invariants.disable()  # as it is by default; SHiRA's updates ask for a word
    with warnings.catch_warnings():
        for noise in NOISE:
            warnings.filterwarnings("ignore", re.escape(noise))
        yield
