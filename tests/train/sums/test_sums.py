"""Sums are added, subtracted and merged like the images behind them, and solved to ridge regression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from curation.errors import BadInput
from train.sums.solve import PENALTIES, Spectrum, choose_penalty, log_odds, solve, squared_error
from train.sums.sums import Sums

CLASSES = ("a", "b", "c")
EVEN = np.ones(3)


def images(number: int = 120, seed: int = 0, dimension: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features around a mean of their class, with a common mean far from zero, labels and weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, number)
    labels[:3] = range(3)
    features = rng.normal(size=(number, dimension)) * np.linspace(1, 3, dimension) + 5
    features[np.arange(number), labels] += 2
    return features.astype(np.float32), labels, rng.choice([1.0, 0.5], number)


def relative(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).max() / np.abs(second).max())


def heads_differ(first: Sums, second: Sums, validation: Sums) -> float:
    ours, theirs = solve(first, validation, EVEN), solve(second, validation, EVEN)
    assert ours.penalty == theirs.penalty
    return max(relative(ours.weight, theirs.weight), relative(ours.bias, theirs.bias))


def test_the_scores_are_those_of_ridge_regression_in_scikit_learn() -> None:
    features, labels, weights = images()
    scaler = StandardScaler().fit(features.astype(np.float64), sample_weight=weights)
    for penalty in (1e-3, 1.0, 30.0):
        theirs = Ridge(alpha=penalty * weights.sum(), solver="cholesky")
        theirs.fit(scaler.transform(features.astype(np.float64)), np.eye(3)[labels], sample_weight=weights)
        scores = Spectrum.of(Sums.of(features, labels, weights, CLASSES)).scores(penalty)
        expected = theirs.predict(scaler.transform(features.astype(np.float64)))
        assert relative(features @ scores[:-1] + scores[-1], expected) < 1e-9


def test_the_squared_error_needs_no_image_and_chooses_the_penalty() -> None:
    train, (features, labels, weights) = Sums.of(*images(), CLASSES), images(60, 1)
    validation, spectrum = Sums.of(features, labels, weights, CLASSES), Spectrum.of(train)
    errors = []
    for penalty in PENALTIES:
        scores = spectrum.scores(penalty)
        residuals = features @ scores[:-1] + scores[-1] - np.eye(3)[labels]
        errors.append(float(weights @ (residuals**2).sum(axis=1) / weights.sum()))
        assert squared_error(scores, validation) == pytest.approx(errors[-1], rel=1e-9)
    assert choose_penalty(spectrum, validation) == PENALTIES[int(np.argmin(errors))]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=60, max_size=60), st.permutations(range(5)))
def test_neither_the_split_over_sites_nor_their_order_matters(sites: list[int], order: list[int]) -> None:
    features, labels, weights = images(60)
    site = np.array(sites)
    parts = [Sums.of(features[site == s], labels[site == s], weights[site == s], CLASSES) for s in order]
    merged = Sums.nothing(features.shape[1], CLASSES)
    for part in parts:
        merged = merged + part
    pooled, validation = Sums.of(features, labels, weights, CLASSES), Sums.of(*images(60, 1), CLASSES)
    assert relative(merged.gram, pooled.gram) < 1e-12
    assert heads_differ(merged, pooled, validation) < 1e-9


def test_a_site_of_each_class_alone_gives_the_pooled_head() -> None:
    features, labels, weights = images()
    alone = [
        Sums.of(features[labels == c], np.zeros((labels == c).sum(), np.int64), weights[labels == c], (name,))
        for c, name in enumerate(CLASSES)
    ]
    merged = (alone[2] + alone[0] + alone[1]).with_classes(CLASSES)
    validation = Sums.of(*images(60, 1), CLASSES)
    assert heads_differ(merged, Sums.of(features, labels, weights, CLASSES), validation) < 1e-9


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(3, 59), min_size=1, max_size=30))
def test_subtracting_images_is_refitting_without_them(leaving: set[int]) -> None:
    features, labels, weights = images(60)
    out = np.isin(np.arange(60), list(leaving))
    without = Sums.of(features, labels, weights, CLASSES) - Sums.of(features[out], labels[out], weights[out], CLASSES)
    refitted = Sums.of(features[~out], labels[~out], weights[~out], CLASSES)
    assert heads_differ(without, refitted, Sums.of(*images(60, 1), CLASSES)) < 1e-9


def test_a_new_class_becomes_a_column_and_none_is_lost() -> None:
    features, labels, weights = images()
    first, rest = labels < 2, labels == 2
    old = Sums.of(features[first], labels[first], weights[first], CLASSES[:2])
    new = Sums.of(features[rest], labels[rest] - 2, weights[rest], CLASSES[2:])
    assert (old + new).classes == CLASSES
    assert (new + old).classes == ("c", "a", "b")
    with pytest.raises(BadInput, match="without 'c'"):
        (old + new).with_classes(CLASSES[:2])


def test_sums_of_another_number_of_features_are_refused() -> None:
    with pytest.raises(BadInput, match="12 features, got sums over 7"):
        Sums.of(*images(), CLASSES) + Sums.of(*images(dimension=7), CLASSES)


def test_log_odds_are_calibrated_where_classes_spread_alike_and_follow_the_prior() -> None:
    features, labels, weights = images(4_000)
    train, validation = (Sums.of(features[part], labels[part], weights[part], CLASSES)
                         for part in (slice(0, 2000), slice(2000, 4000)))  # fmt: skip
    head = solve(train, validation, EVEN)
    logits = features[2000:] @ head.weight.T + head.bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chance = odds / odds.sum(axis=1, keepdims=True)
    confidence, correct = chance.max(axis=1), chance.argmax(axis=1) == labels[2000:]
    assert abs(confidence.mean() - correct.mean()) < 0.05
    assert correct.mean() > 0.6
    rare = solve(train, validation, np.array([1.0, 1.0, 0.01]))
    assert ((features[2000:] @ rare.weight.T + rare.bias).argmax(axis=1) == 2).mean() < 0.06


def test_scores_that_separate_nothing_are_not_brought_to_log_odds() -> None:
    validation = Sums.of(*images(), CLASSES)
    assert log_odds(np.zeros((13, 3)), validation, EVEN) is None
    with pytest.raises(BadInput, match="those of 0"):
        solve(Sums.nothing(12, CLASSES), validation, EVEN)


def test_features_that_do_not_vary_are_counted_and_where_none_varies_nothing_is_learnt() -> None:
    features, labels, weights = images()
    features[:, 4] = 7
    assert solve(Sums.of(features, labels, weights, CLASSES), None, EVEN).constant == 1
    features[:] = 7
    with pytest.raises(BadInput, match="the same features"):
        solve(Sums.of(features, labels, weights, CLASSES), None, EVEN)
