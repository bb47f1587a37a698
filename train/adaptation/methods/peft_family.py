"""The adapters of peft: one implementation for all, over the configuration that the row names."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import torch
from peft import PeftConfig

from curation.errors import BadInput
from train.adaptation.methods.implementation import Implementation
from train.adaptation.model import AdaptedModel
from train.adaptation.peft_adapters import TARGETS, add_adapter, load_adapter, save_adapter
from train.adaptation.rows.row import MethodConfig
from train.backbones.load import Backbone

REFUSALS = (ValueError, RuntimeError, TypeError, AssertionError, NotImplementedError, AttributeError, KeyError)


def adapter_config(backbone: Backbone, method: MethodConfig) -> PeftConfig:
    """Make peft's configuration: what the row fixes, the settings by peft's names, the layers found in the model."""
    options = method.row.options
    targets = TARGETS[options["targets"]](backbone.model)
    settings = {theirs: method.settings()[ours] for ours, theirs in options["settings"].items()}
    config: PeftConfig = getattr(peft, options["config"])(
        **options.get("fixed", {}), **settings, target_modules=targets
    )
    return config


class PeftFamily(Implementation):
    """Freeze the encoder and add an adapter of peft; it is saved as stock peft saves it."""

    def check(self, backbone: Backbone, method: MethodConfig) -> None:
        """Refuse an encoder that peft cannot adapt so, after trying it on a copy with one blank image."""
        _check_rank(backbone, method)
        try:
            copied = replace(backbone, model=copy.deepcopy(backbone.model))
            adapted = self.prepare(copied, method, "")
            with torch.inference_mode():
                size = backbone.preprocessing.input_size
                blank = torch.zeros(1, backbone.preprocessing.num_channels, *size, device=backbone.device)
                adapted.pooled(blank)
        except REFUSALS as error:
            raise BadInput(
                f"--adaptation {method.row.name} does not fit {type(backbone.model).__name__} with these settings "
                f"(peft: {str(error).splitlines()[0]}). It takes {method.row.applies_to}. Change its settings or choose"
                " another."
            ) from error

    def prepare(self, backbone: Backbone, method: MethodConfig, name: str) -> Backbone:
        """Freeze the encoder and add the adapter."""
        return add_adapter(backbone, adapter_config(backbone, method), name)

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write the adapter as stock peft does."""
        save_adapter(model, directory, card)

    def load(self, directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
        """Load the backbone with the adapter in the run's folder."""
        return load_adapter(directory, device, base)


def _check_rank(backbone: Backbone, method: MethodConfig) -> None:
    """Refuse a rank above the width of the narrowest layer that it would update."""
    rank = method.settings().get("rank")
    if rank is None:
        return
    entry = f"{method.prefix()}rank"
    for name in TARGETS[method.row.options["targets"]](backbone.model):
        width = min(backbone.model.get_parameter(f"{name}.weight").shape[:2])
        if rank > width:
            raise BadInput(
                f"{entry} {rank} is more than the {width} channels of {name}, so the update would not be of "
                f"low rank. Set {entry} to {width} at most."
            )


IMPLEMENTATION = PeftFamily()
