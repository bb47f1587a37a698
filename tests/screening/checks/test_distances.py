"""Distances to real training images are small for real images and large for changed ones."""

from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from transformers import AutoModel, ResNetConfig

from curation.image_store import Pixels
from screening.checks.distances import K, LevelsDistance, ManifoldDistance, SpectrumDistance, sample
from screening.features.appearance import levels, spectra
from tests.screening.cohort import described, person
from tests.train.tiny import save_backbone
from train.backbones.grid import features_with_grid
from train.backbones.load import Backbone

REAL = np.stack([person(number) for number in range(60)])
OTHERS = np.stack([person(number) for number in range(500, 540)])


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.rint(gaussian_filter(pixels.astype(float), (0, sigma, sigma, 0))).astype(np.uint8)


def test_being_smoother_than_real_is_no_distance_of_spectra_and_a_grid_is_one() -> None:
    fitted = SpectrumDistance.fit(described(spectra=spectra(REAL)), ())
    assert isinstance(fitted, SpectrumDistance)

    def distance(pixels: Pixels) -> np.ndarray:
        return fitted.values(described(spectra=spectra(pixels)))

    untouched = distance(OTHERS)
    row, column = np.indices((64, 64))
    grid = np.clip(OTHERS + np.where((row + column) % 2, 4, -4)[None, :, :, None], 0, 255).astype(np.uint8)
    assert (distance(grid) > untouched.max()).all()
    assert (distance(blurred(OTHERS, 0.5)) <= untouched.max()).mean() > 0.8
    assert (distance(blurred(OTHERS, 4)) > untouched.max()).all()


def test_a_cohort_of_two_scanners_has_two_kinds_of_levels_and_none_between_them() -> None:
    two = np.concatenate([REAL[:30], REAL[30:] // 4])
    fitted = LevelsDistance.fit(described(levels=levels(two)), ())
    assert isinstance(fitted, LevelsDistance)

    def distance(pixels: Pixels) -> np.ndarray:
        return fitted.values(described(levels=levels(pixels)))

    inside = np.concatenate([distance(OTHERS[:20]), distance(OTHERS[20:] // 4)])
    assert (distance(OTHERS // 2) > inside.max()).all()


def test_features_lie_at_about_one_from_their_own_class_and_further_from_another() -> None:
    random = np.random.default_rng(0)
    centres = {"a": random.normal(size=16), "b": random.normal(size=16)}

    def features(label: str, count: int) -> np.ndarray:
        return (centres[label] + 0.2 * random.normal(size=(count, 16))).astype(np.float32)

    train = np.concatenate([features("a", 50), features("b", 40), features("a", 5)])
    labels = ["a"] * 50 + ["b"] * 40 + ["few"] * 5
    manifold = ManifoldDistance.fit(described(labels, features=train), ())
    assert set(manifold.by_class) == {"a", "b"}
    of_class = manifold.values(described(["a"] * 100, features=features("a", 100)))
    assert 0.8 < np.median(of_class) < 1.3
    assert (manifold.values(described(["a"] * 100, features=features("b", 100))) > of_class.max()).all()
    assert np.isnan(manifold.values(described(["few", None], features=features("a", 2)))).all()


def test_a_structure_in_the_wrong_place_is_far_by_parts_and_near_by_the_mean(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = AutoModel.from_config(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1]))
    backbone = Backbone.load(save_backbone(tmp_path / "map", network))

    def images(numbers: range, column: int) -> Pixels:
        """A bright structure of its own form in the left or the right half."""
        pixels = np.full((len(numbers), 64, 64, 1), 40, np.uint8)
        for image, number in zip(pixels, numbers, strict=True):
            form = np.random.default_rng(number).integers(100, 220, size=(4, 4, 1)).repeat(4, 0).repeat(4, 1)
            row = 24 + number % 3 - 1
            image[row : row + 16, column : column + 16] = form
        return pixels

    def distances(pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
        features, grid = features_with_grid(backbone, pixels)
        labels = ["a"] * len(pixels)
        return (
            by_parts.values(described(labels, features=features, grid=grid)),
            by_mean.values(described(labels, features=features)),
        )

    features, grid = features_with_grid(backbone, images(range(40), 8))
    by_parts = ManifoldDistance.fit(described(["a"] * 40, features=features, grid=grid), ())
    by_mean = ManifoldDistance.fit(described(["a"] * 40, features=features), ())
    right, wrong = distances(images(range(100, 140), 8)), distances(images(range(100, 140), 40))
    assert wrong[0].min() > 2 * right[0].max()
    assert np.median(wrong[1]) < right[1].max()


def test_grids_that_do_not_vary_have_distances_on_their_own_scale() -> None:
    alike = np.ones((30, 64), np.float32)
    manifold = ManifoldDistance.fit(described(["a"] * 30, features=np.zeros((30, 2)), grid=alike), ())
    assert manifold.typical == {"a": 1.0}
    assert manifold.values(described(["a"], features=np.zeros((1, 2)), grid=alike[:1])).tolist() == [0.0]


def test_a_sample_is_the_same_every_time_and_all_of_a_small_set() -> None:
    assert sample(K, 10).tolist() == list(range(K))
    chosen = sample(1_000, 10)
    assert (len(chosen), chosen.tolist()) == (10, sorted(set(sample(1_000, 10).tolist())))
