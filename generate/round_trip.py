"""Images through the autoencoder of a fitted generator and back: as smooth as what it draws."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from generate.fit_autoencoder import reconstruct
from generate.sample import load_pipeline

RoundTrip = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def round_trip_of(directory: Path) -> RoundTrip:
    """The call that takes images (N, H, W, C) of the generator's shape there and back."""
    pipeline = load_pipeline(directory)
    model = pipeline.autoencoder.eval()

    @torch.inference_mode()
    def round_trip(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return reconstruct(model, pipeline.canvas, pixels, "cpu")

    return round_trip
