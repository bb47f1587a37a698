"""Noise gives what (ε, δ) promises: a member is found in plain sums and not in private ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from curation.errors import BadInput
from train.sums.privacy import check_budget, composed, delta_of, epsilon_of, mu_of
from train.sums.private_sums import add_noise, bounded_sums, in_features, private_sums, sensitivity, standardisation
from train.sums.rows import Rows, SummedImage
from train.sums.sums import Floats, Sums

CLASSES = ("a", "b")
DIMENSION = 6


def rows_of(subjects: list[int], seed: int = 0, size: float = 1.0) -> Rows:
    """An image for each entry, of the subject that it says."""
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(len(subjects), DIMENSION)) * size + 3).astype(np.float32)
    images = tuple(
        SummedImage("train", CLASSES[subject % 2], f"s{subject}", f"p{place}", "real")
        for place, subject in enumerate(subjects)
    )
    return Rows(images, features, np.ones(len(subjects)))


def as_vector(sums: Sums) -> Floats:
    return np.concatenate([sums.gram.ravel(), sums.cross.ravel()])


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("mu", [0.2, 1.0, 3.0])
def test_delta_is_the_integral_that_defines_it(epsilon: float, mu: float) -> None:
    above = epsilon / mu + mu / 2  # where the density with the subject is e^ε times that without
    lost, _ = quad(lambda x: norm.pdf(x - mu) - math.exp(epsilon) * norm.pdf(x), above, above + 40)
    assert delta_of(epsilon, mu) == pytest.approx(lost, rel=1e-6, abs=1e-12)


def test_the_noise_is_the_least_that_keeps_the_promise() -> None:
    for epsilon, delta in ((0.5, 1e-5), (1.0, 1e-6), (8.0, 1e-5)):
        mu = mu_of(epsilon, delta)
        assert delta_of(epsilon, mu) == pytest.approx(delta, rel=1e-6)
        assert epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-6)
        assert 1 / mu < math.sqrt(2 * math.log(1.25 / delta)) / epsilon or epsilon > 1  # of the classical analysis


def test_releases_compose_and_four_equal_ones_double_mu() -> None:
    mu = mu_of(1.0, 1e-5)
    assert composed([mu] * 4) == pytest.approx(2 * mu)
    assert 2 < epsilon_of(composed([mu] * 4), 1e-5) < 4


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.floats(0.1, 50), st.floats(0.2, 3), st.integers(0, 9))
def test_no_subject_adds_more_than_the_sensitivity(images: int, size: float, clip: float, seed: int) -> None:
    part = bounded_sums(rows_of([0] * images, seed, size), CLASSES, np.full(DIMENSION, 3.0), np.ones(DIMENSION), clip)
    assert np.linalg.norm(as_vector(part)) <= sensitivity(clip) * (1 + 1e-9)


def test_the_noise_has_its_deviation_along_every_direction() -> None:
    rng, nothing = np.random.default_rng(0), Sums.nothing(2, CLASSES)
    draws = [add_noise(nothing, 2.0, rng) for _ in range(4000)]
    for direction in (np.eye(3), np.ones((3, 3)), np.diag([1, 0, 0]), np.eye(3)[::-1]):
        along = [float(np.sum(draw.gram * direction)) / np.linalg.norm(direction) for draw in draws]
        assert np.std(along) == pytest.approx(2.0, rel=0.06)
    assert np.std([draw.cross[0, 0] for draw in draws]) == pytest.approx(2.0, rel=0.06)
    assert all((draw.gram == draw.gram.T).all() for draw in draws[:20])


def found(epsilon: float | None, draws: int = 200) -> tuple[float, float]:
    """How well the strongest attacker, who knows everybody else, tells releases with a subject from those without.

    Returns the area under the curve of the likelihood ratio, and the largest that the guarantee allows.
    """
    everybody, others = rows_of([*range(30), 30, 30]), rows_of(list(range(30)))
    others = everybody.chosen(np.array([image.subject != "s30" for image in everybody.images]))
    mean, scale = np.full(DIMENSION, 3.0), np.ones(DIMENSION)
    inside, outside = (bounded_sums(rows, CLASSES, mean, scale, 1.0) for rows in (everybody, others))
    part = as_vector(inside) - as_vector(outside)
    mu = mu_of(epsilon, 1e-5) if epsilon else math.inf
    deviation, rng = sensitivity(1.0) / mu, np.random.default_rng(1)
    scores = [
        float((as_vector(add_noise(sums, deviation, rng)) - as_vector(outside)) @ part)
        for sums in (inside, outside)
        for _ in range(draws)
    ]
    return roc_auc_score([1] * draws + [0] * draws, scores), float(ndtr(mu / math.sqrt(2)))


def test_a_member_is_found_in_plain_sums_and_not_in_private_ones() -> None:
    assert found(None)[0] == 1.0
    assert found(1e4)[0] > 0.99  # hardly any noise: the attack works
    spread = 0.5 / math.sqrt(200) * 2.5
    for epsilon in (0.5, 1.0, 2.0):
        area, allowed = found(epsilon)
        assert area < allowed + spread
    assert found(0.5)[0] < 0.6


def test_private_sums_are_in_the_features_and_near_the_plain_ones_without_noise() -> None:
    rows = rows_of(list(range(400)))
    validation = rows_of(list(range(400)), 1).sums(CLASSES)
    private = private_sums(rows, validation, 1e6, 3.0, np.random.default_rng(0))  # a clip that cuts nobody
    plain = rows.sums(CLASSES)
    np.testing.assert_allclose(private.gram, plain.gram, atol=2e-2 * plain.total)
    mean, scale = standardisation(validation)
    exact = in_features(bounded_sums(rows, CLASSES, mean, scale, 3.0), mean, scale)
    np.testing.assert_allclose(exact.gram, plain.gram, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(exact.cross, plain.cross, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        ((0.0, 1e-5, 1.0), "an ε above 0"),
        ((math.inf, 1e-5, 1.0), "an ε above 0"),
        ((1.0, 0.02, 1.0), "below one in 50 subjects"),
        ((1.0, 0.0, 1.0), "a δ above 0"),
        ((1.0, 1e-5, math.inf), "a clip above 0 that is finite"),
    ],
)
def test_what_promises_nothing_is_refused(budget: tuple[float, float, float], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        check_budget(*budget, subjects=50)
