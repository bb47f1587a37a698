"""Slightly moved copies of images, as pairs known to show one subject where subjects have one image.

As with planted defects, a change is drawn as parameters and then applied: applying it again gives equal pixels.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from curation.image_store import Pixels, pixel_sha256

NAME = "moved_copy"
TURN_DEGREES = 5.0
SHIFT_SHARE = 0.05
SCALES = (0.95, 1.06)
GAMMAS = (0.85, 1.2)
BLUR_PIXELS = (0.3, 0.8)


def draw_copy(pixels: Pixels, seed: int) -> dict[str, Any]:
    """Draw a small turn, shift, scale, gamma and blur, and a mirror in half of the cases."""
    key = hashlib.sha256(f"{seed}:{NAME}:{pixel_sha256(pixels)}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key[:8], "little"))
    parameters = {
        "turn_degrees": round(float(random.uniform(-TURN_DEGREES, TURN_DEGREES)), 3),
        "shift_share": [round(float(value), 4) for value in random.uniform(-SHIFT_SHARE, SHIFT_SHARE, 2)],
        "scale": round(float(random.uniform(*SCALES)), 4),
        "gamma": round(float(random.uniform(*GAMMAS)), 3),
        "blur_pixels": round(float(random.uniform(*BLUR_PIXELS)), 3),
        "mirrored": bool(random.random() < 0.5),
    }
    return {"name": NAME, "seed": seed, "parameters": parameters}


def replay_copy(pixels: Pixels, alteration: dict[str, Any]) -> Pixels:
    """Apply what `draw_copy` drew to (H, W, C); shape and depth stay, and the values are the same every time."""
    chosen = alteration["parameters"]
    scaled = pixels.astype(np.float64) / np.iinfo(pixels.dtype).max
    image = scaled[:, ::-1] if chosen["mirrored"] else scaled
    angle = np.deg2rad(chosen["turn_degrees"])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / chosen["scale"]
    size = np.array(image.shape[:2])
    centre = (size - 1) / 2
    offset = centre - turn @ (centre + np.array(chosen["shift_share"]) * size)
    planes = [affine_transform(plane, turn, offset, order=1, mode="nearest") for plane in np.moveaxis(image, 2, 0)]
    moved = np.stack([gaussian_filter(plane, chosen["blur_pixels"]) for plane in planes], axis=2)
    whole: NDArray[np.float64] = np.rint(np.clip(moved, 0, 1) ** chosen["gamma"] * np.iinfo(pixels.dtype).max)
    return whole.astype(np.uint8) if pixels.dtype == np.uint8 else whole.astype(np.uint16)
