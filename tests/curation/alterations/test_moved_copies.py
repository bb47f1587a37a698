"""A moved copy is drawn once and replayed the same for ever: other pixels, the same image."""

import json

import numpy as np
import pytest

from curation.alterations.moved_copies import draw_copy, replay_copy
from tests.builders import oval


@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (16, 1), (8, 3)])
def test_what_was_drawn_gives_equal_pixels_after_a_trip_through_json(bits: int, channels: int) -> None:
    pixels = oval(1, bits=bits, channels=channels)
    alteration = draw_copy(pixels, seed=3)
    again = json.loads(json.dumps(alteration))
    moved = replay_copy(pixels, alteration)
    assert (moved.shape, moved.dtype) == (pixels.shape, pixels.dtype)
    assert np.array_equal(moved, replay_copy(pixels, again))
    assert not np.array_equal(moved, pixels)


STILL = {
    "turn_degrees": 0.0,
    "shift_share": [0.0, 0.0],
    "scale": 1.0,
    "gamma": 1.0,
    "blur_pixels": 0.0,
    "mirrored": False,
}


def test_each_change_is_the_one_it_is_called() -> None:
    pixels = oval(1)

    def changed(**parameters: object) -> np.ndarray:
        return replay_copy(pixels, {"parameters": {**STILL, **parameters}})

    assert np.array_equal(changed(), pixels)
    assert np.array_equal(changed(mirrored=True), pixels[:, ::-1])
    down = changed(shift_share=[-1 / 16, 0.0])  # 4 of 64 rows
    assert np.array_equal(down[:-4], pixels[4:]) or np.array_equal(down[4:], pixels[:-4])
    quarter = changed(turn_degrees=90.0)
    assert np.array_equal(quarter, np.rot90(pixels)) or np.array_equal(quarter, np.rot90(pixels, -1))
    assert (changed(gamma=0.5) >= pixels).all()
    larger = changed(scale=1.2)
    assert (larger > 60).sum() > (pixels > 60).sum()


def test_another_seed_is_another_copy() -> None:
    assert draw_copy(oval(1), 1)["parameters"] != draw_copy(oval(1), 2)["parameters"]
