"""How often the search for duplicates finds exact and changed repeats, and two people who look alike."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from curation.estimates import rounded_interval
from curation.image_store import ImageStore, Pixels
from curation.near_copies.fingerprints import fingerprints
from screening.checks.check import Unset
from screening.checks.distances import sample
from screening.checks.duplicates import duplicate_check, duplicate_distance
from screening.checks.limits import folds
from screening.features.neighbours import Features, nearest
from screening.references import Reference


def _with_noise(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 2 / 255, pixels.shape)
    most = np.iinfo(pixels.dtype).max
    return np.clip(np.rint(pixels + most * noise), 0, most).astype(pixels.dtype)


def _brighter(pixels: Pixels) -> Pixels:
    most = np.iinfo(pixels.dtype).max
    return np.clip(np.rint(pixels * 1.1), 0, most).astype(pixels.dtype)


# Changes of images (N, H, W, C).
REPEATS: dict[str, Callable[[Pixels], Pixels]] = {
    "exact": lambda pixels: pixels,
    "with noise of 2 levels of 255": _with_noise,
    "1.1 times brighter": _brighter,
    "moved by one pixel": lambda pixels: np.roll(pixels, 1, axis=2),
    "mirrored": lambda pixels: pixels[:, :, ::-1],
}


def measure_repeats(
    store: ImageStore, held_out: Sequence[Reference], prints: Features, train_prints: Features, images: int
) -> dict[str, Any]:
    """Count what is caught of each kind of repeat and of different people; thresholds are of other subjects."""
    rows = sample(len(held_out), images)
    images = store.stack([held_out[row].file_sha256 for row in rows])
    fold_of = folds([reference.subject_id for reference in held_out])
    below = {fold: duplicate_distance(prints[fold_of != fold], train_prints) for fold in set(fold_of.tolist())}
    limits = [below[fold] for fold in fold_of[rows].tolist()]
    counts = {}
    for name, change in REPEATS.items():
        changed = change(images)
        exact = (changed == images).reshape(len(rows), -1).all(axis=1)
        distances = 1 - (fingerprints(changed) * prints[rows]).sum(axis=1)
        counts[name] = _caught(distances.tolist(), limits, exact.tolist())
    strangers = nearest(prints[rows], train_prints, k=1).distances[:, 0]
    return {"repeats": counts, "different people": _caught(strangers.tolist(), limits, [False] * len(rows))}


def _caught(distances: Sequence[float], limits: Sequence[float | Unset], exact: Sequence[bool]) -> dict[str, Any]:
    checks = [duplicate_check("duplicate", *pair) for pair in zip(distances, limits, exact, strict=True)]
    caught = sum(check.verdict != "pass" for check in checks)
    blocked = sum(check.verdict == "block" for check in checks)
    return {"n": len(checks), "caught": caught, "caught_95": rounded_interval(caught, len(checks)), "blocked": blocked}
