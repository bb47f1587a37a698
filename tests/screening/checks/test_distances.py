"""Distances to real training images are small for real images and large for changed ones."""

import numpy as np
from scipy.ndimage import gaussian_filter

from curation.image_store import Pixels
from screening.checks.distances import K, LevelsDistance, ManifoldDistance, SpectrumDistance, sample
from screening.features.appearance import levels, spectra
from tests.screening.cohort import described, person

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


def test_a_sample_is_the_same_every_time_and_all_of_a_small_set() -> None:
    assert sample(K, 10).tolist() == list(range(K))
    chosen = sample(1_000, 10)
    assert (len(chosen), chosen.tolist()) == (10, sorted(set(sample(1_000, 10).tolist())))
