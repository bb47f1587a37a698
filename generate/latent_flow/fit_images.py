"""The images of a fit in memory, and the batches drawn from them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curation.digests import digest_of
from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from generate.canvas import Canvas
from generate.latent_flow.recipe import FitRecipe

ENCODE_BATCH = 64
MAX_VALIDATION = 600


@dataclass(frozen=True, slots=True)
class FitImages:
    """The images of a fit, in memory as uint8 (N, H, W, C), and how they lie on the canvas."""

    classes: list[str]
    canvas: Canvas
    rows: list[SnapshotRow]
    train: NDArray[np.uint8]
    train_labels: torch.Tensor
    weights: torch.Tensor  # (N,) float64: how often each training image is drawn, against the others
    validation: NDArray[np.uint8]
    validation_labels: torch.Tensor

    @property
    def digest(self) -> str:
        """Digest of what is fitted: every training image with its label and weight, in order."""
        return digest_of([[row.file_sha256, row.label, row.weight] for row in self.rows])


def load_images(folder: SnapshotFolder, recipe: FitRecipe) -> FitImages:
    """Load the images the recipe admits; raises BadInput for depths, channels or classes that cannot be fitted."""
    height, width, channels = folder.shape
    if folder.bits != 8 or channels not in (1, 3):
        raise BadInput(
            f"snapshot {folder.name}: expected 8-bit images of 1 or 3 channels, got {folder.bits}-bit of {channels}. "
            "Window 16-bit images to 8 bits when importing, then build the snapshot again."
        )
    train = [row for row in folder.rows("train") if row.origin in recipe.origins]
    missing = sorted(set(folder.classes) - {row.label for row in train})
    if not train or missing:
        raise BadInput(
            f"snapshot {folder.name}: expected training images of origin {'/'.join(recipe.origins)} for every class, "
            f"got none of {', '.join(missing) or 'any'}. Import more or leave the class out of the snapshot."
        )
    held_out = [row for row in folder.rows("validation") if row.origin == "real"]
    chosen = np.linspace(0, len(held_out) - 1, min(len(held_out), MAX_VALIDATION)).astype(int)
    held_out = [held_out[position] for position in chosen]
    return FitImages(
        classes=folder.classes,
        canvas=Canvas.plan(height, width, recipe.canvas, recipe.multiple),
        rows=train,
        train=folder.pixels(train).astype(np.uint8, copy=False),
        train_labels=torch.from_numpy(folder.labels(train)),
        weights=torch.tensor([row.weight for row in train], dtype=torch.float64),
        validation=folder.pixels(held_out).astype(np.uint8, copy=False),
        validation_labels=torch.from_numpy(folder.labels(held_out)),
    )


def draw_batch(weights: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw `size` positions in `weights`, each in proportion to its weight.

    Without repeats where all weigh the same and there are enough; unequal weights need repeats.
    """
    count = len(weights)
    if bool((weights != weights[0]).any()):
        return torch.multinomial(weights, size, replacement=True, generator=generator)
    if size > count:
        return torch.randint(count, (size,), generator=generator)
    return torch.randperm(count, generator=generator)[:size]


def autocast(recipe: FitRecipe, device: str) -> torch.autocast:
    """Run the forward pass in the recipe's precision; bfloat16 pays where hardware multiplies in it (AMX, CUDA)."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


def canvas_batches(canvas: Canvas, pixels: NDArray[np.uint8], device: str) -> Iterator[torch.Tensor]:
    """Yield all of `pixels` (N, H, W, C) in order, as (B, C, H', W') tensors on `device`."""
    for start in range(0, len(pixels), ENCODE_BATCH):
        batch = canvas.to_canvas(pixels[start : start + ENCODE_BATCH])
        yield batch.to(device, memory_format=torch.channels_last)
