"""Metrics are those of scikit-learn and torchmetrics, and intervals cover as they say."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score
from torchmetrics.functional.classification import multiclass_calibration_error

from tests.train.snapshots import write_snapshot
from train.evaluation.intervals import (
    choose_resampling_units,
    draw_bootstrap_weights,
    percentile_interval,
    seed_interval,
)
from train.evaluation.metrics import METRICS, auroc, balanced_accuracy, metric_value


def example(n_classes: int, n_images: int = 60, seed: int = 0, digits: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n_images - n_classes)])
    scores = rng.normal(size=(n_images, n_classes)) + np.eye(n_classes)[labels]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return probabilities.round(digits), labels.astype(np.int64)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_metrics_are_those_of_scikit_learn_and_torchmetrics(n_classes: int) -> None:
    probabilities, labels = example(n_classes)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    expected = {
        "auroc": roc_auc_score(labels, scores, multi_class="ovr", average="macro"),
        "balanced_accuracy": balanced_accuracy_score(labels, probabilities.argmax(axis=1)),
        "calibration_error": float(
            multiclass_calibration_error(
                torch.from_numpy(probabilities), torch.from_numpy(labels), n_classes, n_bins=15, norm="l1"
            )
        ),
        "brier": brier_score_loss(np.eye(n_classes)[labels], probabilities, scale_by_half=False),
    }
    for name in METRICS:
        assert metric_value(name, probabilities, labels) == pytest.approx(expected[name], abs=1e-6), name


@given(seed=st.integers(0, 10_000), digits=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_weighted_auroc_is_that_of_repeated_images_also_with_ties(seed: int, digits: int) -> None:
    probabilities, labels = example(2, 20, seed, digits)
    weights = np.random.default_rng(seed).integers(1, 4, 20)
    repeated = np.repeat(np.arange(20), weights)
    expected = roc_auc_score(labels[repeated], probabilities[repeated, 1])
    area = auroc(np.stack([1 - probabilities[:, 1], probabilities[:, 1]], axis=1), labels, weights[None].astype(float))
    assert area[0] == pytest.approx(expected)


def test_a_resample_without_a_class_counts_as_missing_not_as_a_number() -> None:
    probabilities, labels = example(2)
    without = (labels == 0).astype(float)[None]
    assert np.isnan(auroc(probabilities, labels, without)).all()
    assert np.isnan(balanced_accuracy(probabilities, labels, without)).all()
    interval = percentile_interval(0.5, np.array([np.nan, 0.2, 0.8]), 40, 0.95)
    assert 0.2 <= interval.low < interval.high <= 0.8


def test_resampling_draws_whole_subjects_and_says_when_it_draws_images(tmp_path) -> None:
    known = write_snapshot(tmp_path / "known", {"train": 2, "validation": 2, "test": 6})
    resampled, units = choose_resampling_units(known.rows("test"), known.subjects)
    assert (resampled, units.max() + 1) == ("subject", 6)
    weights = draw_bootstrap_weights(units, 50, seed=1)
    assert all((weights[:, units == unit].std(axis=1) == 0).all() for unit in range(6))
    unknown = write_snapshot(tmp_path / "unknown", {"train": 2, "validation": 2, "test": 6}, subjects="unknown")
    assert choose_resampling_units(unknown.rows("test"), unknown.subjects)[0] == "image"


def test_one_subject_leaves_nothing_to_resample_and_gives_no_interval() -> None:
    weights = draw_bootstrap_weights(np.zeros(4, dtype=np.int64), 10, seed=0)
    assert (weights == 1).all()


def test_the_seed_interval_is_students_when_only_seeds_vary_and_wider_when_subjects_vary_too() -> None:
    per_seed = np.array([0.70, 0.74, 0.78])
    constant = np.full(500, 0.74)
    seeds_only = seed_interval(per_seed, constant, 40, 0.95, (0.0, 1.0))
    assert seeds_only.degrees_of_freedom == pytest.approx(2)
    assert seeds_only.high - seeds_only.value == pytest.approx(4.30265 * 0.04 / 3**0.5, rel=1e-4)
    varied = np.random.default_rng(0).normal(0.74, 0.03, 500)
    both = seed_interval(per_seed, varied, 40, 0.95, (0.0, 1.0))
    assert both.degrees_of_freedom > 2
    assert both.seed_variance + both.subject_variance > seeds_only.seed_variance


def test_intervals_stay_within_what_the_metric_can_be() -> None:
    interval = seed_interval(np.array([0.9, 1.0]), np.full(10, 0.95), 5, 0.95, (0.0, 1.0))
    assert interval.high == 1.0


@pytest.mark.slow
def test_the_seed_interval_covers_about_as_often_as_it_says_where_subjects_alone_do_not() -> None:
    rng = np.random.default_rng(0)
    covered = {"both": 0, "subjects": 0}
    trials, n_subjects, n_seeds = 300, 60, 5
    for _ in range(trials):
        ability = rng.normal(0.0, 0.3, n_subjects)
        runs = ability + rng.normal(0.0, 0.06, (n_seeds, 1)) + rng.normal(0.0, 0.1, (n_seeds, n_subjects))
        weights = draw_bootstrap_weights(np.arange(n_subjects), 300, int(rng.integers(1 << 30)))
        resampled = (weights @ runs.mean(axis=0)) / n_subjects
        interval = seed_interval(runs.mean(axis=1), resampled, n_subjects, 0.95, (-9.0, 9.0))
        covered["both"] += interval.low <= 0 <= interval.high
        alone = percentile_interval(0.0, resampled, n_subjects, 0.95)
        covered["subjects"] += alone.low <= 0 <= alone.high
    assert covered["both"] / trials > 0.92
    assert covered["subjects"] < covered["both"]


def test_metrics_raise_no_warnings_on_certain_predictions() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in METRICS:
            metric_value(name, np.eye(2)[[0, 1, 0]], np.array([0, 1, 1]))
