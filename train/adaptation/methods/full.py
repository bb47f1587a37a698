"""Full fine-tuning: every weight of the encoder is trained and saved as a stock transformers model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.adaptation.methods.table import Full as Config
from train.adaptation.model import AdaptedModel
from train.backbones.load import Backbone, quiet_transformers
from train.backbones.pooling import MAP

DIRECTORY = "model"


def check(backbone: Backbone, method: Config) -> None:
    """Accept every encoder."""


def prepare(backbone: Backbone, method: Config, name: str) -> Backbone:
    """Set every weight to train."""
    backbone.model.requires_grad_(True)
    return backbone


def save(model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
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


def load(directory: Path, device: str, base: Callable[[], Backbone]) -> Backbone:
    """Load the saved encoder; the backbone it started from is not needed.

    A run of release 0.1 does not say its pooling and is pooled as then.
    """
    return Backbone.load(directory / DIRECTORY, device).pooled_as_before()
