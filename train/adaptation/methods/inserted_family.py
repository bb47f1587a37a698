"""Prompts and adapters of our own: one implementation over the layers that the row names.

A run holds their weights in `inserted/layers.safetensors` and what made them in `inserted/layers.json`.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from train.adaptation.inserted_layers import Inserted, insert_layers
from train.adaptation.methods.implementation import Implementation
from train.adaptation.model import AdaptedModel
from train.adaptation.rows.row import MethodConfig
from train.backbones.load import Backbone

DIRECTORY = "inserted"


class InsertedFamily(Implementation):
    """Freeze the encoder and put new layers into it."""

    def check(self, backbone: Backbone, method: MethodConfig) -> None:
        """Refuse an encoder without a place for the layers, after trying it on a copy."""
        copied = replace(backbone, model=copy.deepcopy(backbone.model))
        prepared = self.prepare(copied, method, "")
        with torch.inference_mode():
            prepared.pooled(_blank(prepared))

    def prepare(self, backbone: Backbone, method: MethodConfig, name: str) -> Backbone:
        """Put the layers into the encoder."""
        insert_layers(backbone.model, method.row.options["insert"], method.settings(), _blank(backbone))
        return backbone

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write the weights of the layers, and what made them."""
        target = directory / DIRECTORY
        target.mkdir(parents=True, exist_ok=True)
        inserted = model.encoder.get_submodule("inserted")
        assert isinstance(inserted, Inserted)
        weights = {name: value.cpu().contiguous() for name, value in inserted.layers.state_dict().items()}
        save_file(weights, target / "layers.safetensors")
        made_by = {"insert": inserted.inserter, "settings": inserted.settings}
        (target / "layers.json").write_text(json.dumps(made_by, indent=1, sort_keys=True) + "\n")

    def load(self, directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
        """Load the backbone and put the saved layers into it."""
        backbone = base()
        made_by = json.loads((directory / DIRECTORY / "layers.json").read_text())
        insert_layers(backbone.model, made_by["insert"], made_by["settings"], _blank(backbone))
        inserted = backbone.model.get_submodule("inserted")
        assert isinstance(inserted, Inserted)
        inserted.layers.load_state_dict(load_file(directory / DIRECTORY / "layers.safetensors"))
        return backbone


def _blank(backbone: Backbone) -> Tensor:
    size = backbone.preprocessing.input_size
    return torch.zeros(1, backbone.preprocessing.num_channels, *size, device=backbone.device)


IMPLEMENTATION = InsertedFamily()
