"""Intervals by resampling subjects, with the variance between training seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.estimates import CrossedSpread, Estimate, combined_spread, crossed_spread, t_half_width
from curation.snapshots.folder import SnapshotRow

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeedInterval:
    """A mean over training seeds; its interval holds the variance between seeds and between test subjects."""

    value: float
    low: float
    high: float
    seed_variance: float
    subject_variance: float
    degrees_of_freedom: float


def choose_resampling_units(rows: Sequence[SnapshotRow], subjects: str) -> tuple[str, NDArray[np.int64]]:
    """Choose what is resampled, `subject` or `image`, and number the unit of each row (N,).

    Images are resampled where subjects are unknown; such intervals are too narrow when subjects have several images.
    """
    if subjects == "known" and all(row.subject is not None for row in rows):
        _, index = np.unique([str(row.subject) for row in rows], return_inverse=True)
        return "subject", index.astype(np.int64)
    return "image", np.arange(len(rows), dtype=np.int64)


def draw_bootstrap_weights(units: NDArray[np.int64], n_bootstrap: int, seed: int) -> Floats:
    """Draw whole units with replacement: image weights (n_bootstrap, N)."""
    n_units = int(units.max()) + 1
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_bootstrap)
    weights: Floats = counts[:, units].astype(np.float64)
    return weights


def percentile_interval(value: float, resampled: Floats, n_units: int, confidence: float) -> Estimate:
    """Compute the percentile bootstrap interval; resamples without every class (NaN) are left out."""
    _check_finite(value, resampled, n_units)
    low, high = np.nanquantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high), n_units, "percentiles of resamples")


def _check_finite(value: float, resampled: Floats, n_units: int) -> None:
    """Raise BadInput where a metric or its interval would be no number."""
    if not np.isfinite(value):
        raise BadInput(f"a metric is {value}, which is no result. Train the run again with a lower --learning-rate.")
    if int(np.isfinite(resampled).sum()) < 2:
        raise BadInput(
            f"of {len(resampled)} resamples of {n_units} held-out subjects or images fewer than two hold every class, "
            "so there is no interval. Import more held-out subjects of each class."
        )


def seed_interval(
    per_seed: Floats, resampled_mean: Floats, n_units: int, confidence: float, limits: tuple[float, float]
) -> SeedInterval:
    """Compute the interval of a mean over seeds (`crossed_spread`: seeds share the test units), clipped to `limits`.

    Resampling subjects alone covers too little when training varies.
    """
    mean = float(np.mean(per_seed))
    _check_finite(mean, resampled_mean, n_units)
    return _interval(mean, crossed_spread(per_seed, resampled_mean, n_units, confidence), n_units, confidence, limits)


def halves_interval(
    per_replicate: Floats,
    resampled_mean: Floats,
    n_units: int,
    n_drawn: int,
    confidence: float,
    limits: tuple[float, float],
) -> SeedInterval:
    """Compute the interval of a mean over replicates trained on halves, two halves that share nothing after another.

    `n_drawn` counts the units of the smallest set that was halved. Two halves are independent, so half of their
    variance s² is that of a pair's mean. What pairs have in common is the data that they halve; it is what s²/2
    leaves above the variance between pairs, and more pairs do not make it smaller.
    """
    mean = float(np.mean(per_replicate))
    _check_finite(mean, resampled_mean, n_units)
    pairs = per_replicate.reshape(-1, 2)
    n_pairs = len(pairs)
    of_a_pair = float(((pairs[:, 0] - pairs[:, 1]) ** 2).mean()) / 4
    between_pairs = float(np.var(pairs.mean(axis=1), ddof=1)) if n_pairs > 1 else 0.0
    between = max(of_a_pair - between_pairs * (1 - 1 / n_pairs), between_pairs / n_pairs, of_a_pair / 10)
    degrees = max(1, min(n_pairs, n_drawn // 2 - 1))
    within = float(np.nanvar(resampled_mean, ddof=1))
    return _interval(
        mean, combined_spread(between, degrees, within, n_units - 1, confidence), n_units, confidence, limits
    )


def _interval(
    mean: float, spread: CrossedSpread, n_units: int, confidence: float, limits: tuple[float, float]
) -> SeedInterval:
    """Lay the interval around a mean; where nothing varied, as wide as a difference that no unit of n may show."""
    half_width = spread.half_width or 1 - ((1 - confidence) / 2) ** (1 / n_units)
    low, high = max(limits[0], mean - half_width), min(limits[1], mean + half_width)
    return SeedInterval(mean, low, high, spread.between, spread.within, spread.degrees_of_freedom)


def low_at(interval: Mapping[str, float], confidence: float) -> float:
    """Compute the lower bound of a saved interval at another confidence."""
    variance = interval["seed_variance"] + interval["subject_variance"]
    return interval["value"] - t_half_width(variance, interval["degrees_of_freedom"], confidence)
