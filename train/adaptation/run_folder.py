"""Save and load a run as a folder.

It holds config.json, head.safetensors, what the method of adaptation saves, and card.json, which is written last.
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
from train.backbones.load import Backbone, load_version

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
    (directory / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
    model.head.save(directory / "head.safetensors")
    find_implementation(config.method).save(model, directory, card)
    (directory / COST).write_text(json.dumps(dict(cost), indent=1, sort_keys=True) + "\n")
    card = card | {"digest": run_digest(directory)}
    with whole_file(directory / "card.json") as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return card


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
