"""Add, save and load the adapters of peft, whichever of its methods made them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel, get_peft_model
from torch import nn

from curation.errors import BadInput
from train.adaptation.model import AdaptedModel
from train.backbones.load import Backbone

DIRECTORY = "adapter"


def find_attention_linears(model: nn.Module) -> list[str]:
    """Find the linear layers to adapt: those of the attention where the model has them, else all of them.

    Discovered from the model, since their names change between architectures and releases. Raises BadInput when the
    model has no linear layer.
    """
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise BadInput(
            f"expected linear layers to adapt, but {type(model).__name__} has no linear layer. Choose another"
            " --adaptation or another backbone."
        )
    return [name for name in linears if "attention" in name or "attn" in name] or linears


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


@contextmanager
def _quiet_peft() -> Iterator[None]:
    """Silence a warning no user can act on: peft 0.21 asks transformers 5.23 for an attribute by its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield
