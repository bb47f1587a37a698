"""Write a run as a folder that stock libraries load: encoder, adapter, head, processor, card."""

import json
import shutil
from pathlib import Path

from train.adaptation.model_card import README, write_model_card
from train.adaptation.run_folder import SavedRun, write_inputs
from train.backbones.load import load_version, quiet_transformers
from train.backbones.pooling import MAP

HEAD, MODEL = "head.safetensors", "model"
ADAPTER = "adapter"
OF_METHODS = (ADAPTER, "inserted")  # folders that methods of adaptation save beside the head
STAYS = ("card.json",)  # of a saved encoder: it lists subjects and images


def write_folder(run: SavedRun, out: Path) -> None:
    """Write the folder; lists of what the run saw and the sums that it keeps stay in the project."""
    shutil.copyfile(run.directory / HEAD, out / HEAD)
    for name in OF_METHODS:
        if (run.directory / name).is_dir():
            shutil.copytree(run.directory / name, out / name, ignore=shutil.ignore_patterns(README))
    if (out / ADAPTER).is_dir():
        _name_base(out / ADAPTER / "adapter_config.json")
    if (run.directory / MODEL).is_dir():
        shutil.copytree(run.directory / MODEL, out / MODEL, ignore=shutil.ignore_patterns(*STAYS))
    else:
        _write_base(run, out / MODEL)
    write_inputs(out, run.model, run.card)
    write_model_card(run.directory, run.card, out)


def _name_base(path: Path) -> None:
    """Let the adapter name the encoder beside it as its base; it named a place of this machine."""
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"base_model_name_or_path": MODEL}, indent=1, sort_keys=True) + "\n")


def _write_base(run: SavedRun, target: Path) -> None:
    """Write the encoder that the run was adapted from, as it was: a loaded run has its adapter in it."""
    base = load_version(run.config.backbone, run.directory, run.card["backbone"]["digest"], "cpu")
    if base.pooling != MAP:
        base.model.config.feature_pooling = base.pooling.split("+")[0]
    with quiet_transformers():
        base.model.save_pretrained(target)
