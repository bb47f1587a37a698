"""Full and partial fine-tuning: weights train, and all are saved as a stock transformers model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from curation.errors import BadInput
from train.adaptation.blocks import find_blocks
from train.adaptation.fit import FitTask, History, train_model
from train.adaptation.methods.implementation import Implementation
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.rows.row import MethodConfig
from train.backbones.load import Backbone, quiet_transformers
from train.backbones.pooling import MAP

DIRECTORY = "model"
Named = list[tuple[str, nn.Parameter]]


def every_weight(model: nn.Module, method: MethodConfig) -> Named:
    """Every weight of the encoder."""
    return list(model.named_parameters())


def last_blocks(model: nn.Module, method: MethodConfig) -> Named:
    """The weights of the last blocks and of what comes behind them; raises BadInput where there are fewer blocks."""
    blocks, wanted = find_blocks(model), method.settings()["count"]
    if wanted > len(blocks):
        raise BadInput(
            f"last_blocks_count {wanted} is more than the {len(blocks)} blocks of {type(model).__name__}. Set it to "
            f"{len(blocks)} at most, or use --adaptation full."
        )
    named = list(model.named_parameters())
    first = next(iter(blocks[-wanted].parameters()))
    start = next(place for place, (_, parameter) in enumerate(named) if parameter is first)
    return named[start:]


def norms(model: nn.Module, method: MethodConfig) -> Named:
    """The weights of layer, batch and group normalisations."""
    normalising = {
        name for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm | nn.GroupNorm | _BatchNorm) or type(module).__name__.endswith("Norm")
    }  # fmt: skip
    return [(name, weight) for name, weight in model.named_parameters() if name.rpartition(".")[0] in normalising]


def biases(model: nn.Module, method: MethodConfig) -> Named:
    """The biases."""
    return [(name, weight) for name, weight in model.named_parameters() if name.rpartition(".")[2] == "bias"]


CHOICES: dict[str, Callable[[nn.Module, MethodConfig], Named]] = {
    "every_weight": every_weight, "last_blocks": last_blocks, "norms": norms, "biases": biases,
}  # fmt: skip


def by_block(model: nn.Module, method: MethodConfig) -> dict[nn.Parameter, float]:
    """The share of the learning rate of every weight: 1 behind the last block, times `factor` at each before it."""
    decay, blocks = method.settings()["factor"], find_blocks(model)
    depth_of = {weight: depth for depth, block in enumerate(blocks, start=1) for weight in block.parameters()}
    shares, depth = {}, 0
    for weight in model.parameters():  # in the order of the network: what lies between blocks goes with the one before
        depth = max(depth, depth_of.get(weight, 0))
        behind = weight not in depth_of and depth == len(blocks)
        shares[weight] = 1.0 if behind else decay ** (len(blocks) + 1 - depth)
    return shares


RATES: dict[str, Callable[[nn.Module, MethodConfig], dict[nn.Parameter, float]]] = {"by_block": by_block}


class WeightTuning(Implementation):
    """Train the weights that the row names."""

    def check(self, backbone: Backbone, method: MethodConfig) -> None:
        """Refuse an encoder that has none of these weights."""
        row = method.row
        if not CHOICES[row.options["choose"]](backbone.model, method):
            raise BadInput(
                f"{type(backbone.model).__name__} has no weights for --adaptation {row.name}, which takes "
                f"{row.applies_to}. Choose another --adaptation."
            )
        if "rates" in row.options:
            RATES[row.options["rates"]](backbone.model, method)

    def prepare(self, backbone: Backbone, method: MethodConfig, name: str) -> Backbone:
        """Set which weights train."""
        backbone.model.requires_grad_(False)
        for _, weight in CHOICES[method.row.options["choose"]](backbone.model, method):
            weight.requires_grad_(True)
        return backbone

    def fit(self, model: AdaptedModel | StandardizedHead, task: FitTask) -> History:
        """Fit the model, with the rates of the row where it has any."""
        rates = RATES.get(task.config.method.row.options.get("rates", ""))
        assert isinstance(model, AdaptedModel)
        shares = rates(model.encoder, task.config.method) if rates else {}
        return train_model(model, task, rate_shares=shares)

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write the encoder with its preprocessing, and a card of what it saw unless that is unknown.

        The saved model may become a backbone in turn, and must then say what it saw.
        """
        target = directory / DIRECTORY
        backbone = model.backbone
        if backbone.pooling != MAP:
            backbone.model.config.feature_pooling = backbone.pooling.split("+")[0]
        with quiet_transformers():
            model.encoder.save_pretrained(target)
        preprocessing = json.dumps(backbone.preprocessing.as_config(), indent=1) + "\n"
        (target / "preprocessor_config.json").write_text(preprocessing)
        if not card["saw"]["unknown"]:
            backbone_card = {"kind": "backbone", "name": directory.name, "fitted_on": card["saw"]}
            (target / "card.json").write_text(json.dumps(backbone_card, indent=1, sort_keys=True) + "\n")

    def load(self, directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
        """Load the saved encoder; the backbone it started from is not needed.

        A run of release 0.1 does not say its pooling and is pooled as then.
        """
        return Backbone.load(directory / DIRECTORY, device).pooled_as_before()


IMPLEMENTATION = WeightTuning()
