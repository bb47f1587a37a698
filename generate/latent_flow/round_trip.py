"""Encode and decode images with the autoencoder of a generator: as smooth as those it generates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from curation.errors import BadInput
from curation.image_store import Pixels
from generate.latent_flow.fit_autoencoder import reconstruct
from generate.sample import load_pipeline


def make_round_trip(directory: Path) -> Callable[[Pixels], Pixels]:
    """Make a function that encodes and decodes images (N, H, W, C) of the generator's shape.

    The function raises BadInput for images of another shape or depth.
    """
    pipeline = load_pipeline(directory)
    model, canvas = pipeline.autoencoder.eval(), pipeline.canvas
    shape = (canvas.height, canvas.width, model.config.image_channels)

    @torch.inference_mode()
    def round_trip(pixels: Pixels) -> Pixels:
        if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
            raise BadInput(
                f"generator {directory.name}: expected 8-bit images {shape}, got {pixels.dtype} {pixels.shape[1:]}. "
                "Choose a generator of such images, or leave it out."
            )
        return reconstruct(model, canvas, pixels, "cpu")

    return round_trip
