"""Changes that a copy of a training image may have undergone, each at several severities.

Severities are shares of the image's side, of its grey range, or degrees, so that they mean the same at any size. The
same seed gives the same copies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates

from curation.image_store import Pixels

Floats = NDArray[np.float64]
RoundTrip = Callable[[Pixels], Pixels]

ELASTIC_SMOOTHNESS = 0.08  # of the side


@dataclass(frozen=True, slots=True)
class CopyChange:
    """A kind of change: the function on (H, W, C) in [0, 1], the unit of its severity, the severities measured."""

    change: Callable[[Floats, float, np.random.Generator], Floats]
    unit: str
    severities: tuple[float, ...]


def _moved(image: Floats, turn: float = 0.0, enlarge: float = 1.0, down: float = 0.0, across: float = 0.0) -> Floats:
    """Turn by `turn` degrees, enlarge, and shift by pixels; the border is repeated."""
    height, width, channels = image.shape
    angle = np.deg2rad(turn)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / enlarge
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    offset = centre - matrix @ (centre + np.array([down, across]))
    planes = [affine_transform(image[..., c], matrix, offset, order=3, mode="nearest") for c in range(channels)]
    return np.stack(planes, axis=-1)


def _direction(random: np.random.Generator) -> int:
    return int(random.choice([-1, 1]))


def _shift(image: Floats, share: float, random: np.random.Generator) -> Floats:
    direction = random.uniform(0, 2 * np.pi)
    height, width, _ = image.shape
    return _moved(image, down=share * height * np.sin(direction), across=share * width * np.cos(direction))


def _crop(image: Floats, share: float, random: np.random.Generator) -> Floats:
    """Cut off `share` of each side and enlarge the rest to the full size."""
    kept = 1 - share
    height, width, _ = image.shape
    down, across = random.uniform(-0.5, 0.5, 2) * share / kept
    return _moved(image, enlarge=1 / kept, down=down * height, across=across * width)


def _flip(image: Floats, axis: float, random: np.random.Generator) -> Floats:
    return np.flip(image, axis=int(axis))


def _intensity(image: Floats, strength: float, random: np.random.Generator) -> Floats:
    """Change gamma, gain and offset."""
    gamma = (1 + strength) ** _direction(random)
    gain, offset = 1 + random.uniform(-strength, strength) / 2, random.uniform(-strength, strength) / 5
    return gain * image**gamma + offset


def _elastic(image: Floats, share: float, random: np.random.Generator) -> Floats:
    """Displace smoothly and at random, by a root mean square of `share` of the side."""
    height, width, channels = image.shape
    noise = random.normal(size=(2, height, width))
    field = gaussian_filter(noise, (0, ELASTIC_SMOOTHNESS * height, ELASTIC_SMOOTHNESS * width), mode="nearest")
    field *= share * height / np.sqrt((field**2).sum(axis=0).mean())
    places = np.mgrid[0:height, 0:width] + field
    planes = [map_coordinates(image[..., c], places, order=3, mode="nearest") for c in range(channels)]
    return np.stack(planes, axis=-1)


COPY_CHANGES: Mapping[str, CopyChange] = {
    "crop": CopyChange(_crop, "of each side cut off", (0.05, 0.12, 0.20)),
    "shift": CopyChange(_shift, "of the side", (0.02, 0.06, 0.10)),
    "flip": CopyChange(_flip, "0 up-down, 1 left-right", (0, 1)),
    "rotation": CopyChange(lambda p, s, r: _moved(p, turn=s * _direction(r)), "degrees", (3, 8, 15)),
    "scaling": CopyChange(
        lambda p, s, r: _moved(p, enlarge=(1 + s) ** _direction(r)), "larger or smaller", (0.03, 0.08, 0.15)
    ),
    "intensity": CopyChange(_intensity, "gamma, gain, offset", (0.15, 0.30, 0.45)),
    "noise": CopyChange(lambda p, s, r: p + r.normal(0, s, p.shape), "of the grey range", (0.015, 0.04, 0.08)),
    "blur": CopyChange(
        lambda p, s, r: gaussian_filter(p, (s * len(p), s * len(p), 0)), "of the side", (0.008, 0.015, 0.025)
    ),
    "elastic": CopyChange(_elastic, "of the side, root mean square", (0.008, 0.015, 0.025)),
}
# Severities the gate was designed on; none of them is measured.
TRIED: Mapping[str, tuple[float, ...]] = {
    "crop": (0.07, 0.15, 0.25),
    "shift": (0.03, 0.08, 0.12),
    "rotation": (4, 10, 18),
    "scaling": (0.04, 0.10, 0.20),
    "intensity": (0.20, 0.50),
    "noise": (0.02, 0.05, 0.10),
    "blur": (0.01, 0.02, 0.03),
    "elastic": (0.01, 0.02, 0.03),
}


def change_copies(pixels: Pixels, kind: str, severity: float, seed: int) -> Pixels:
    """Change copies of (N, H, W, C), each by its own random numbers; the depth stays."""
    highest = np.iinfo(pixels.dtype).max
    change = COPY_CHANGES[kind].change
    copies = np.empty_like(pixels)
    for number, image in enumerate(pixels):
        random = np.random.default_rng((seed, number))
        result = change(image.astype(np.float64) / highest, severity, random)
        copies[number] = np.rint(np.clip(result, 0, 1) * highest)
    return copies


def blur_like_autoencoder(pixels: Pixels) -> Pixels:
    """Blur by 1.5 % of the side: roughly what a small autoencoder loses, where none is at hand."""
    highest = np.iinfo(pixels.dtype).max
    sigma = 0.015 * pixels.shape[1]
    blurred = gaussian_filter(pixels.astype(np.float64), (0, sigma, sigma, 0))
    copies: Pixels = np.rint(np.clip(blurred, 0, highest)).astype(pixels.dtype)
    return copies
