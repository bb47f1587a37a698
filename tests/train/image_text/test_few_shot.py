"""Few-shot heads follow their formulas, and the draws of their images follow a seed."""

import math

import numpy as np
import pytest

from train.image_text.few_shot import HEADS, LabelledShots, draw_shots, ss_text, tip_adapter, tip_adapter_f
from train.image_text.zero_shot import probabilities_of, unit


def support(n_per_class: int = 3, classes: int = 3, dimension: int = 6, seed: int = 0) -> LabelledShots:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dimension))
    labels = np.repeat(np.arange(classes), n_per_class)
    vectors = centres[labels] + 0.5 * rng.normal(size=(len(labels), dimension))
    prototypes = centres + 1.5 * rng.normal(size=centres.shape)
    return LabelledShots(unit(vectors.astype(np.float32)), labels, unit(prototypes.astype(np.float32)), scale=5.0)


def test_tip_adapter_adds_the_votes_of_its_keys_to_the_words() -> None:
    given = support()
    images = support(seed=1).vectors[:2]
    logits = tip_adapter(given)(images)
    for image, row in zip(images, logits, strict=True):
        for c in range(3):
            words = 5.0 * float(image @ given.prototypes[c])
            votes = sum(
                math.exp(-5.5 * (1 - float(image @ key)))
                for key, label in zip(given.vectors, given.labels, strict=True)
                if label == c
            )
            assert row[c] == pytest.approx(words + 1.0 * votes, abs=1e-5)


def test_training_the_keys_lowers_the_loss_on_the_support_and_touches_nothing_else() -> None:
    given = support()
    before = given.vectors.copy()

    def loss(logits: np.ndarray) -> float:
        return -float(np.log(probabilities_of(logits)[np.arange(len(given.labels)), given.labels]).mean())

    assert loss(tip_adapter_f(given)(given.vectors)) < loss(tip_adapter(given)(given.vectors))
    np.testing.assert_array_equal(given.vectors, before)


def test_ss_text_minimises_its_objective() -> None:
    given = support()
    n, scale = len(given.labels), given.scale

    def gradient(weights: np.ndarray) -> np.ndarray:
        pulled = np.zeros_like(weights)
        for vector, label in zip(given.vectors, given.labels, strict=True):
            pulled[label] -= scale * vector / n
        counts = np.bincount(given.labels)[:, None]
        return pulled + (weights - given.prototypes) / counts

    weights = given.prototypes.astype(np.float64).copy()
    for _ in range(2_000):
        weights -= 0.5 * gradient(weights)
    images = support(seed=2).vectors
    expected = scale * images @ unit(weights.astype(np.float32)).T
    np.testing.assert_allclose(ss_text(given)(images), expected, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_every_head_gives_logits_of_every_class_and_learns_from_labels(classes: int) -> None:
    given, unseen = support(20, classes), support(20, classes)
    for name, fit in HEADS.items():
        logits = fit(given)(unseen.vectors)
        assert logits.shape == (20 * classes, classes), name
        if name != "words alone":
            assert np.mean(logits.argmax(axis=1) == unseen.labels) > 0.8, name


def test_draws_are_of_each_class_and_follow_the_seed() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2] * 2)
    drawn = draw_shots(labels, 4, seed=3)
    np.testing.assert_array_equal(np.bincount(labels[drawn]), [4, 4, 2])
    np.testing.assert_array_equal(drawn, draw_shots(labels, 4, seed=3))
    assert drawn.tolist() != draw_shots(labels, 4, seed=4).tolist()
