"""AUROC, balanced accuracy, calibration error and Brier score, under many image weightings at once.

A bootstrap resample of subjects is a weighting of images, so every resample is a row of one (B, N) matrix and each
metric is a few matrix products. The tests hold unit weights against scikit-learn and torchmetrics.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CALIBRATION_BINS = 15


def auroc(probabilities: Floats, labels: NDArray[np.int64], weights: Floats) -> Floats:
    """Macro average over classes of the one-against-rest area under the ROC curve (B,); ties count half.

    With two classes this is the ordinary AUROC. NaN where a weighting leaves a class empty or alone.
    """
    classes = range(probabilities.shape[1])
    return np.mean([_binary_auroc(probabilities[:, c], labels == c, weights) for c in classes], axis=0)


def _binary_auroc(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted chance that a positive scores above a negative (B,)."""
    values, group = np.unique(scores, return_inverse=True)
    membership = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[membership], np.arange(len(values)))
    ordered, is_positive = weights[:, membership], positive[membership]
    positives = np.add.reduceat(ordered * is_positive, starts, axis=1)  # (B, distinct scores)
    negatives = np.add.reduceat(ordered * ~is_positive, starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    wins = (positives * (below + 0.5 * negatives)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def balanced_accuracy(probabilities: Floats, labels: NDArray[np.int64], weights: Floats) -> Floats:
    """Mean over classes of the recall (B,); NaN where a weighting leaves a class empty."""
    correct = probabilities.argmax(axis=1) == labels
    recalls = []
    for c in range(probabilities.shape[1]):
        total = weights[:, labels == c].sum(axis=1)
        hits = weights[:, (labels == c) & correct].sum(axis=1)
        recalls.append(np.divide(hits, total, out=np.full(len(weights), np.nan), where=total > 0))
    return np.mean(recalls, axis=0)


def calibration_error(probabilities: Floats, labels: NDArray[np.int64], weights: Floats) -> Floats:
    """Expected calibration error (B,): L1, 15 equal-width bins, of the top label's probability (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    gap = (probabilities.argmax(axis=1) == labels) - confidence
    bins = np.clip((confidence * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    in_bin = bins[:, None] == np.arange(CALIBRATION_BINS)  # (N, bins)
    error: Floats = np.abs(weights @ (in_bin * gap[:, None])).sum(axis=1) / weights.sum(axis=1)
    return error


def brier(probabilities: Floats, labels: NDArray[np.int64], weights: Floats) -> Floats:
    """Brier score (B,) in its original form (Brier 1950): squared error summed over classes, from 0 to 2."""
    squared = ((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2).sum(axis=1)
    score: Floats = weights @ squared / weights.sum(axis=1)
    return score


METRICS: dict[str, Callable[[Floats, NDArray[np.int64], Floats], Floats]] = {
    "auroc": auroc,
    "balanced_accuracy": balanced_accuracy,
    "calibration_error": calibration_error,
    "brier": brier,
}
LARGEST_VALUES = {"auroc": 1.0, "balanced_accuracy": 1.0, "calibration_error": 1.0, "brier": 2.0}


def metric_value(metric: str, probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Compute one metric with every image counted once."""
    return float(METRICS[metric](probabilities, labels, np.ones((1, len(labels))))[0])
