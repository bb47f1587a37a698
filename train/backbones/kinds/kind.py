"""What the module of a kind of model implements, and how it is found."""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from train.backbones.catalogue import CatalogueEntry, Kind


class ModelKind(Protocol):
    """Which files a model of a kind consists of, and how a folder of them is made ready and tried."""

    FILES: tuple[str, ...]  # patterns inside the folder; none of them can execute

    def finish(
        self, directory: Path, entry: CatalogueEntry | None, input_size: int | None, image_side: int | None
    ) -> int | None:
        """Make the copied model ready and run it once; returns the side in pixels of the images that it takes.

        `input_size` is the side that was asked for, `image_side` the longer side of the project's images. Raises
        BadInput for a model of another kind, missing weights or a size that it does not take, Diverged for weights
        that are no numbers.
        """


def find_kind(kind: Kind) -> ModelKind:
    """Import the module of a kind by its name."""
    return cast(ModelKind, import_module(f"{__package__}.{kind}"))
