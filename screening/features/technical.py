"""Technical measures of images: brightness, contrast, saturation, sharpness and noise."""

import numpy as np
from numpy.typing import NDArray

from curation.image_store import Pixels

MEASURES = ("brightness", "contrast", "saturation", "sharpness", "noise")
VISIBLE = 0.02  # of the type's maximum: what is darker counts as black


def technical_measures(pixels: Pixels) -> NDArray[np.float64]:
    """(N, 5) in the order of `MEASURES`, of images (N, H, W, C), on a scale where the type's maximum is 1.

    `brightness` is the mean, `contrast` the standard deviation, `saturation` the share at the type's maximum,
    `sharpness` the mean gradient magnitude over the contrast, `noise` the median size of the second difference where
    the image is not black.
    """
    scaled = pixels.astype(np.float64).mean(axis=3) / np.iinfo(pixels.dtype).max
    contrast = scaled.std(axis=(1, 2))
    down, across = np.gradient(scaled, axis=(1, 2))
    second = np.abs(scaled[:, 1:-1, 2:] - 2 * scaled[:, 1:-1, 1:-1] + scaled[:, 1:-1, :-2])
    visible = scaled[:, 1:-1, 1:-1] > VISIBLE
    columns = {
        "brightness": scaled.mean(axis=(1, 2)),
        "contrast": contrast,
        "saturation": (pixels.max(axis=3) == np.iinfo(pixels.dtype).max).mean(axis=(1, 2)),
        "sharpness": np.hypot(down, across).mean(axis=(1, 2)) / np.maximum(contrast, 1e-6),
        "noise": np.array([np.median(s[v]) if v.any() else 0.0 for s, v in zip(second, visible, strict=True)]),
    }
    return np.stack([columns[name] for name in MEASURES], axis=1)
