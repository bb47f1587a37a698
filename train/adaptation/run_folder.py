"""A run as a folder: config.json, head.safetensors, adapter/ (stock peft) or model/ (stock transformers), card.json."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from curation.errors import Conflict, Damaged, NotFound
from train.adaptation.config import AdaptationConfig
from train.adaptation.model import AdaptedModel, StandardizedHead, backbone_location, with_saved_adapter
from train.backbones.load import Backbone, quiet_transformers


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run read back from its folder."""

    directory: Path
    config: AdaptationConfig
    card: dict[str, Any]
    model: AdaptedModel


def run_digest(directory: Path) -> str:
    """SHA-256 over the names and bytes of the weights that the run made."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*.safetensors")):
        name = path.relative_to(directory).as_posix()
        digest.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def save_run(directory: Path, model: AdaptedModel, config: AdaptationConfig, card: dict[str, Any]) -> dict[str, Any]:
    """Write the run; card.json comes last, so a folder that has one is whole. Returns the card with its digest."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
    model.head.save(directory / "head.safetensors")
    if config.adaptation == "lora":
        model.encoder.save_pretrained(directory / "adapter", save_embedding_layers=False)
    if config.adaptation == "full":
        with quiet_transformers():
            model.encoder.save_pretrained(directory / "model")
        preprocessing = json.dumps(model.backbone.preprocessing.as_config(), indent=1) + "\n"
        (directory / "model" / "preprocessor_config.json").write_text(preprocessing)
        if not card["saw"]["unknown"]:  # the model may become a backbone in turn, and must then say what it saw
            seen = {"kind": "backbone", "name": directory.name, "fitted_on": card["saw"]}
            (directory / "model" / "card.json").write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
    card = card | {"digest": run_digest(directory)}
    partial = directory / "card.json.part"
    partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    partial.replace(directory / "card.json")
    return card


def read_card(directory: Path) -> dict[str, Any]:
    """The card of a finished run; raises NotFound when there is none."""
    path = directory / "card.json"
    if not path.is_file():
        raise NotFound(f"{directory} is not a finished run: expected card.json in it. `rounds train` makes one.")
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def load_run(directory: Path, device: str, backbone: Backbone | None = None) -> SavedRun:
    """Read a run; `backbone` spares loading it again where the run left it frozen.

    Raises Damaged when the weights are not those of the card, Conflict when the backbone is not the one adapted.
    """
    card = read_card(directory)
    config = AdaptationConfig.parse((directory / "config.json").read_text())
    if run_digest(directory) != card["digest"]:
        raise Damaged(f"{directory}: its weights no longer hash to the digest in card.json. Train it again.")
    if config.adaptation == "full":
        backbone = Backbone.load(directory / "model", device)
    else:
        backbone = backbone or Backbone.load(backbone_location(config), device)
        if backbone.digest != card["backbone"]["digest"]:
            raise Conflict(f"{directory} was adapted from another version of {config.backbone!r}. Train it again.")
    if config.adaptation == "lora":
        backbone = with_saved_adapter(backbone, directory / "adapter")
    head = StandardizedHead.load(directory / "head.safetensors").to(device)
    model = AdaptedModel(backbone, head, config.adaptation).eval()
    return SavedRun(directory, config, card, model)


def default_device() -> str:
    """An accelerator when there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
