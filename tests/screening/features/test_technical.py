"""Technical measures are on one scale whatever the bit depth and the channels."""

import numpy as np

from screening.features.technical import technical_measures
from tests.builders import oval


def test_sixteen_bit_and_colour_images_are_measured_on_the_same_scale() -> None:
    deep = np.stack([oval(number, bits=16) for number in range(4)])
    shallow = np.stack([oval(number) for number in range(4)])
    np.testing.assert_allclose(technical_measures(deep)[:, :2], technical_measures(shallow)[:, :2], atol=0.01)
    colour = np.repeat(shallow, 3, axis=3)
    np.testing.assert_allclose(technical_measures(colour), technical_measures(shallow))
