"""Save and load a run as a folder.

It holds config.json, head.safetensors, what the method of adaptation saves, the processor, the classes, a model card
(README.md), and card.json, which is written last.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from curation.errors import Conflict, Damaged, NotFound
from curation.files import whole_file
from train.adaptation.config import AdaptationConfig
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.model_card import CLASSES, write_model_card
from train.backbones.load import Backbone, load_version
from train.backbones.processor_config import FILE as PROCESSOR
from train.fitting.checkpoint import remove_unfinished_weights

COST = "cost.json"


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run read back from its folder."""

    directory: Path
    config: AdaptationConfig
    card: dict[str, Any]
    model: AdaptedModel


def run_digest(directory: Path) -> str:
    """Hash the names and bytes of the weights that the run made (SHA-256)."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*.safetensors")):
        name = path.relative_to(directory).as_posix()
        digest.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def save_run(
    directory: Path,
    model: AdaptedModel,
    config: AdaptationConfig,
    card: dict[str, Any],
    cost: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write the run and return the card with its digest; card.json comes last, so a folder that has it is whole.

    `cost` is measured and differs from time to time, so it lies beside the card.
    """
    directory.mkdir(parents=True, exist_ok=True)
    remove_unfinished_weights(directory)
    (directory / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
    model.head.save(directory / "head.safetensors")
    find_implementation(config.method).save(model, directory, card)
    (directory / COST).write_text(json.dumps(dict(cost), indent=1, sort_keys=True) + "\n")
    write_inputs(directory, model, card)
    card = card | {"digest": run_digest(directory)}
    write_model_card(directory, card)
    with whole_file(directory / "card.json") as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return card


def write_inputs(directory: Path, model: AdaptedModel, card: Mapping[str, Any]) -> None:
    """Write the stock processor of the inputs, and the names of the classes in the order of the logits."""
    processor = json.dumps(model.backbone.preprocessing.as_config(), indent=1) + "\n"
    (directory / PROCESSOR).write_text(processor)
    (directory / CLASSES).write_text(json.dumps(list(card["classes"])) + "\n")


def read_card(directory: Path) -> dict[str, Any]:
    """Read the card of a finished run; raises NotFound without it."""
    path = directory / "card.json"
    if not path.is_file():
        raise NotFound(
            f"{directory} is not a finished run: expected card.json in it, found none. `rounds train` finishes a run."
        )
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def read_cost(directory: Path) -> dict[str, float]:
    """Read what the steps of a run took; an earlier version did not note it."""
    path = directory / COST
    cost: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    return cost


def load_run(directory: Path, device: str, backbone: Backbone | None = None) -> SavedRun:
    """Read a run; pass the `backbone` it was adapted from to avoid loading it again.

    Raises Damaged when the weights are not those of the card, Conflict when the backbone is not the one adapted.
    """
    card = read_card(directory)
    config = AdaptationConfig.parse((directory / "config.json").read_text())
    if run_digest(directory) != card["digest"]:
        raise Damaged(f"{directory}: the weights no longer hash to the digest in card.json. Train the run again.")

    def load_base() -> Backbone:
        base = backbone or load_version(config.backbone, directory, card["backbone"]["digest"], device)
        if base.digest != card["backbone"]["digest"]:
            base = base.pooled_as_before()
        if base.digest != card["backbone"]["digest"]:
            raise Conflict(f"{directory} was adapted from another version of {config.backbone!r}. Train the run again.")
        return base

    adapted = find_implementation(config.method).load(directory, device, load_base)
    head = StandardizedHead.load(directory / "head.safetensors").to(device)
    model = AdaptedModel(adapted, head).eval()
    return SavedRun(directory, config, card, model)
