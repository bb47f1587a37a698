"""What does not vary has scale 1, and where nothing varies that is said."""

import numpy as np
import pytest

from curation.errors import BadInput
from screening.checks.check import Unset
from screening.checks.distances import ManifoldDistance, SpectrumDistance
from screening.checks.label_agreement import LabelProbe
from screening.features.spread import is_constant, refuse_constant_features
from screening.proxy import fit_proxy
from screening.set_measures.membership import area_under_curve
from screening.set_measures.modes import find_modes
from tests.screening.cohort import described

RANDOM = np.random.default_rng(0)


def test_rounding_is_no_spread() -> None:
    noise = (300.0 + 1e-6 * RANDOM.normal(size=(50, 1))).astype(np.float32)
    varying = RANDOM.normal(size=(50, 1)).astype(np.float32)
    assert is_constant(np.concatenate([noise, varying, np.zeros((50, 1), np.float32)], axis=1)).tolist() == [1, 0, 1]
    with pytest.raises(BadInput, match="all 50 images the same features"):
        refuse_constant_features(noise, "images")


def test_a_ring_without_power_in_real_images_does_not_decide_alone() -> None:
    spectra = RANDOM.normal(-3, 0.5, size=(40, 20))
    spectra[:, 3] = -9.0
    fitted = SpectrumDistance.fit(described(spectra=spectra), ())
    assert isinstance(fitted, SpectrumDistance)
    faint = spectra[:5].copy()
    faint[:, 3] = -8.5
    assert fitted.values(described(spectra=faint)).max() < 2  # 1e5 when the spread of zero was a millionth


def test_a_class_whose_images_are_all_alike_has_distances_on_their_own_scale() -> None:
    alike = np.tile(RANDOM.normal(size=8), (30, 1)).astype(np.float32)
    fitted = ManifoldDistance.fit(described(features=alike, labels=["a"] * 30), ())
    near = alike[:1] + np.float32(0.01)
    assert fitted.values(described(features=near, labels=["a"]))[0] < 0.01
    probe = LabelProbe.fit(described(features=np.tile(alike, (2, 1)), labels=["a"] * 30 + ["b"] * 30), range(60))
    assert isinstance(probe, Unset)
    with pytest.raises(BadInput, match="same features"):
        fit_proxy(alike, ["a"] * 15 + ["b"] * 15, alike, ["a"] * 15 + ["b"] * 15)
    modes = find_modes(np.tile(alike, (3, 1)).astype(np.float64), 0)
    assert (len(modes.centres), modes.stability) == (1, None)


def test_an_area_of_ties_alone_has_an_interval_of_some_width() -> None:
    area = area_under_curve(np.zeros(25), np.zeros(25))
    assert area.value == 0.5
    assert area.low < 0.4 < 0.6 < area.high
