"""Save and load an alignment as a folder of weights, settings and card."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from curation.errors import BadInput, Conflict, Damaged
from curation.files import whole_file
from train.backbones.load import Backbone
from train.backbones.names import backbone_location
from train.backbones.text_tower import TextTower
from train.fitting.checkpoint import remove_unfinished_weights
from train.image_text.projections import Projections
from train.image_text.recipe import AlignmentRecipe

ALIGNED = "aligned.json"
PROJECTIONS = "projections.safetensors"
TEXT = "text"
FORMAT = "rounds-image-text/1"


@dataclass(frozen=True, slots=True)
class AlignedTowers:
    """An image tower and a text tower with the projections that align them."""

    digest: str
    image: Backbone
    text: TextTower
    projections: Projections


def folder_digest(directory: Path) -> str:
    """Hash what the alignment made and the digests of the towers that it names (SHA-256)."""
    digest = hashlib.sha256((directory / ALIGNED).read_bytes())
    for path in sorted(directory.rglob("*.safetensors")):
        name = path.relative_to(directory).as_posix()
        digest.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def save_aligned(
    directory: Path, towers: dict[str, Any], recipe: AlignmentRecipe, text: TextTower, projections: Projections
) -> str:
    """Write the folder without its card and return its digest; `towers` names both, with their digests."""
    directory.mkdir(parents=True, exist_ok=True)
    remove_unfinished_weights(directory)
    if recipe.train_text_tower:
        text.model.save_pretrained(directory / TEXT)
        text.tokenizer.save_pretrained(directory / TEXT)
        (directory / TEXT / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": text.max_length}))
        (directory / TEXT / "1_Pooling").mkdir(exist_ok=True)
        pooling = {"pooling_mode_cls_token": text.pooling == "cls"}
        (directory / TEXT / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    weights = {name: value.contiguous().cpu() for name, value in projections.state_dict().items()}
    save_file(weights, directory / PROJECTIONS)
    saved = {"format": FORMAT, **towers, "recipe": recipe.model_dump(mode="json")}
    with whole_file(directory / ALIGNED) as partial:
        partial.write_text(json.dumps(saved, indent=1, sort_keys=True) + "\n")
    return folder_digest(directory)


def image_tower_of(directory: Path) -> str:
    """The name of the image tower that was aligned."""
    return str(json.loads((directory / ALIGNED).read_text())["image"]["given"])


def load_aligned(directory: Path, device: str) -> AlignedTowers:
    """Load an alignment with both towers.

    Raises BadInput for another format, Damaged for changed weights, Conflict when a tower is not the one aligned.
    """
    saved = json.loads((directory / ALIGNED).read_text())
    if saved.get("format") != FORMAT:
        raise BadInput(f"{directory / ALIGNED}: expected format {FORMAT!r}, got {saved.get('format')!r}.")
    card_path = directory / "card.json"
    if not card_path.is_file():
        raise BadInput(
            f"{directory} has no card.json: the alignment did not finish. Run `rounds backbone align` again."
        )
    digest = folder_digest(directory)
    if digest != json.loads(card_path.read_text())["digest"]:
        raise Damaged(f"{directory}: the weights no longer hash to the digest in card.json. Align the towers again.")
    recipe = AlignmentRecipe.checked(**saved["recipe"])
    image = Backbone.load(backbone_location(saved["image"]["given"], directory), device)
    of_text = directory / TEXT if recipe.train_text_tower else backbone_location(saved["text"]["given"], directory)
    text = TextTower.load(of_text, device)
    digests = {"image": image.digest, **({} if recipe.train_text_tower else {"text": text.digest})}
    for tower, current in digests.items():
        if current != saved[tower]["digest"]:
            raise Conflict(
                f"{directory} was aligned with another version of the {tower} tower {saved[tower]['given']!r}. Bring "
                "that one back, or align the towers again."
            )
    projections = Projections(saved["image"]["dimension"], saved["text"]["dimension"], recipe)
    projections.load_state_dict(load_file(directory / PROJECTIONS))
    return AlignedTowers(digest, image, text, projections.to(device).eval())
