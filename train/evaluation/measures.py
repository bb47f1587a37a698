"""Measure predictions: metrics with intervals, without near copies too, and a row for each image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.estimates import CONFIDENCE, Estimate
from curation.snapshots.folder import SnapshotRow
from train.evaluation.intervals import choose_resampling_units, draw_bootstrap_weights, percentile_interval
from train.evaluation.metrics import METRICS, metric_value
from train.evaluation.near_copies import MetricsWithoutNearCopies, why_not_measured
from train.prediction.files import probability_columns, write_table


@dataclass(frozen=True, slots=True)
class Predictions:
    """Class probabilities of every image of a set, in the order of its rows."""

    rows: list[SnapshotRow]
    labels: NDArray[np.int64]  # (N,)
    probabilities: NDArray[np.float64]  # (N, n_classes)


def measure(
    predictions: Predictions, subjects: str, n_bootstrap: int, seed: int
) -> tuple[str, int, dict[str, Estimate]]:
    """Compute what is resampled, how many units there are, and every metric with its interval."""
    resampled, units = choose_resampling_units(predictions.rows, subjects)
    n_units = int(units.max()) + 1
    weights = draw_bootstrap_weights(units, n_bootstrap, seed)
    metrics = {
        name: percentile_interval(
            metric_value(name, predictions.probabilities, predictions.labels),
            metric(predictions.probabilities, predictions.labels, weights),
            n_units,
            CONFIDENCE,
        )
        for name, metric in METRICS.items()
    }
    return resampled, n_units, metrics


def measure_others(
    predictions: Predictions,
    copies: NDArray[np.bool_] | None,
    classes: Sequence[str],
    subjects: str,
    n_bootstrap: int,
    seed: int,
) -> MetricsWithoutNearCopies | None:
    """Measure the images that are no near copies; None where none is one."""
    if copies is None or not copies.any():
        return None
    left_out, n_images = int(copies.sum()), int((~copies).sum())
    why_none = why_not_measured(predictions.labels, ~copies, classes)
    if why_none:
        return MetricsWithoutNearCopies(left_out, n_images, 0, {}, why_none)
    rows = [row for row, copy in zip(predictions.rows, copies, strict=True) if not copy]
    others = Predictions(rows, predictions.labels[~copies], predictions.probabilities[~copies])
    _, n_units, metrics = measure(others, subjects, n_bootstrap, seed)
    return MetricsWithoutNearCopies(left_out, n_images, n_units, metrics, None)


def write_predictions(
    path: Path,
    predictions: Predictions,
    classes: Sequence[str],
    copies: NDArray[np.bool_] | None,
    facts: Mapping[str, Any],
) -> None:
    """Write a row for each image as Parquet: what recognises it, its label, the probability of each class.

    Subjects are left out: the file name and the digest of the pixels lead to them where they may be known.
    """
    rows = [
        {
            "file_name": row.file_name,
            "pixel_sha256": row.pixel_sha256,
            "label": row.label,
            "predicted": classes[int(chances.argmax())],
            **probability_columns(dict(zip(classes, chances.tolist(), strict=True))),
            "near_copy": None if copies is None else bool(copies[place]),
        }
        for place, (row, chances) in enumerate(zip(predictions.rows, predictions.probabilities, strict=True))
    ]
    write_table(path, rows, facts)
