"""Text models: configuration, tokenizer, pooling and weights."""

from pathlib import Path

from curation.errors import BadInput
from train.backbones.catalogue import CatalogueEntry
from train.backbones.text_tower import TEXT_FILES, TextTower

FILES = TEXT_FILES


def finish(directory: Path, entry: CatalogueEntry | None, input_size: int | None, image_side: int | None) -> None:
    """Compute the vector of a word; raises BadInput for an input size, which a text model does not have."""
    if input_size is not None:
        raise BadInput(f"--input-size goes with an image model, and {directory.name!r} reads text. Leave it out.")
    TextTower.load(directory).features(["image"])
