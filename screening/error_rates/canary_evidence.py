"""Count the canaries that a fit reproduces, by a criterion apart from the gate, and those blocked.

An image regenerates a canary when the canary is the nearest of all planted images by plain pixel distance and that
distance, relative to the mean one to the 50 nearest others, is below what half of the control's images ever reach: the
criterion of Carlini et al. 2023 for small images, its threshold taken from a generator that never saw a canary.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.estimates import rounded_proportion
from generate.grids import tile_images
from screening.error_rates.canaries import Planted

NEIGHBOURS = 50
ENLARGE = 2

Blocked = Callable[[NDArray[np.uint8]], NDArray[np.bool_]]


def relative_distances(drawn: NDArray[np.uint8], planted: Planted) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N, K) distances to each canary image, relative to the nearest others; (N,) which planted image is nearest."""
    images, known = (pixels.reshape(len(pixels), -1).astype(np.float64) for pixels in (drawn, planted.pixels))
    squared = (images**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * images @ known.T
    distances = np.sqrt(np.maximum(squared, 0))
    others = np.sort(distances[:, planted.repeats == 0], axis=1)[:, :NEIGHBOURS].mean(axis=1, keepdims=True)
    return distances[:, planted.repeats > 0] / np.maximum(others, 1e-9), distances.argmin(axis=1)


def regenerated(drawn: NDArray[np.uint8], planted: Planted, threshold: float) -> NDArray[np.int64]:
    """(N,) the position among `planted.pixels` of the canary that each generated image regenerates, -1 for none."""
    relative, nearest = relative_distances(drawn, planted)
    canaries = np.flatnonzero(planted.repeats > 0)
    closest = relative.argmin(axis=1)
    hit = (nearest == canaries[closest]) & (relative.min(axis=1) < threshold)
    return np.where(hit, canaries[closest], -1)


def weigh(planted: Planted, drawn: NDArray[np.uint8], control: NDArray[np.uint8], blocked: Blocked) -> dict[str, Any]:
    """Counts by repeats: generated images that regenerate a canary, those that the gate blocks; and the control's."""
    setting, counted = control[: len(control) // 2], control[len(control) // 2 :]
    threshold = float(relative_distances(setting, planted)[0].min())
    hits, control_hits = (regenerated(images, planted, threshold) for images in (drawn, counted))
    stopped, control_stopped = blocked(drawn), blocked(counted)
    levels = []
    for repeats in sorted(set(planted.repeats[planted.repeats > 0].tolist())):
        of_level = (hits >= 0) & (planted.repeats[hits] == repeats)
        of_control = (control_hits >= 0) & (planted.repeats[control_hits] == repeats)
        levels.append(
            {
                "repeats": repeats,
                "canary_images": int((planted.repeats == repeats).sum()),
                "canary_images_regenerated": len(set(hits[of_level].tolist())),
                "regenerated": _share(int(of_level.sum()), len(drawn)),
                "caught": _share(int(stopped[of_level].sum()), int(of_level.sum())),
                "regenerated_by_control": _share(int(of_control.sum()), len(counted)),
            }
        )
    return {
        "threshold": round(threshold, 4),
        "drawn": len(drawn),
        "control_drawn": {"setting": len(setting), "counted": len(counted)},
        "levels": levels,
        "blocked_of_other_images": _share(int(stopped[hits < 0].sum()), int((hits < 0).sum())),
        "blocked_of_control": _share(int(control_stopped.sum()), len(counted)),
    }


def _share(count: int, n: int) -> dict[str, Any]:
    """A proportion with its interval; none of none has no interval."""
    return rounded_proportion(count, n) if n else {"count": 0, "n": 0}


def plot_canaries(
    planted: Planted, drawn: NDArray[np.uint8], control: NDArray[np.uint8], path: Path, columns: int = 6
) -> None:
    """Write a figure with a row for each canary image: itself, the nearest of the fit, the nearest of the control."""
    rows = []
    distances, control_distances = (relative_distances(images, planted)[0] for images in (drawn, control))
    for column, position in enumerate(np.flatnonzero(planted.repeats > 0)):
        near, far = (images[:, column].argsort()[:columns] for images in (distances, control_distances))
        gap = np.full_like(planted.pixels[:1], 255)
        rows.append(np.concatenate([planted.pixels[position][None], gap, drawn[near], gap, control[far]]))
    figure = tile_images(np.concatenate(rows), len(rows[0])).repeat(ENLARGE, axis=0).repeat(ENLARGE, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(figure[:, :, 0] if figure.shape[2] == 1 else figure).save(path)
