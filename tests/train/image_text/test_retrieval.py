"""Recall at k counts captions once, and chance is that of a random order."""

import numpy as np
import pytest

from train.image_text.retrieval import measure_retrieval
from train.image_text.zero_shot import unit

NUMBERS = np.array([0, 0, 1, 2, 3])
UNITS = np.arange(5)


def test_vectors_that_agree_are_found_first() -> None:
    captions = np.eye(4, 6, dtype=np.float32)
    recalls = measure_retrieval(captions[NUMBERS], captions, NUMBERS, UNITS, ks=(1,))
    assert [recall.recall.value for recall in recalls] == [1.0, 1.0]
    assert [recall.candidates for recall in recalls] == [4, 5]
    assert recalls[0].recall.low < 1.0  # never an interval of no width


def test_chance_is_what_a_random_order_gives() -> None:
    rng = np.random.default_rng(0)
    found = np.zeros((2, 400))
    for repeat in range(400):
        images, captions = (unit(rng.normal(size=(n, 5)).astype(np.float32)) for n in (5, 4))
        recalls = measure_retrieval(images, captions, NUMBERS, UNITS, ks=(2,))
        found[:, repeat] = [recall.recall.value for recall in recalls]
    assert found.mean(axis=1) == pytest.approx([recall.chance for recall in recalls], abs=0.06)
    assert recalls[0].chance == 0.5
    assert recalls[1].chance == pytest.approx((3 * 0.4 + 0.7) / 4)


def test_images_of_one_subject_count_together() -> None:
    captions = np.eye(4, 6, dtype=np.float32)
    images = captions[[0, 0, 1, 3, 2]]  # the last two are wrong
    apart = measure_retrieval(images, captions, NUMBERS, UNITS, ks=(1,))[0].recall
    together = measure_retrieval(images, captions, NUMBERS, np.array([0, 0, 0, 1, 1]), ks=(1,))[0].recall
    assert apart.value == together.value == 0.6
    assert together.high - together.low > apart.high - apart.low
