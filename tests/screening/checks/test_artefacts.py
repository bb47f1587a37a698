"""Broken pictures are told from real ones by ranges that real training images set."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from curation.image_store import Pixels
from screening.checks.artefacts import Range, false_alarms, fit_ranges
from screening.checks.check import SEVERITY, Unset
from screening.features.technical import MEASURES, technical_measures
from tests.screening.cohort import person

REAL = np.stack([person(number) for number in range(80)])
HELD_OUT = np.stack([person(number) for number in range(500, 560)])


def as_bytes(values: np.ndarray) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


DEFECTS: dict[str, Callable[[Pixels], Pixels]] = {
    "black": np.zeros_like,
    "one grey": lambda pixels: np.full_like(pixels, 100),
    "white": lambda pixels: np.full_like(pixels, 255),
    "saturated": lambda pixels: as_bytes(4.0 * pixels),
    "heavy blur": lambda pixels: as_bytes(gaussian_filter(pixels.astype(float), (0, 5, 5, 0))),
    "heavy noise": lambda pixels: as_bytes(pixels + np.random.default_rng(0).normal(0, 40, pixels.shape)),
    "nothing but noise": lambda pixels: np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint8),
}


def gravest(ranges: dict[str, Range | Unset], pixels: Pixels) -> list[str]:
    rows = technical_measures(pixels).tolist()
    return [
        max((ranges[name].verdict(value) for name, value in zip(MEASURES, row, strict=True)), key=SEVERITY.index)
        for row in rows
    ]


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_blocked_in_every_image(defect: str) -> None:
    assert set(gravest(fit_ranges(technical_measures(REAL)), DEFECTS[defect](HELD_OUT))) == {"block"}


def test_no_held_out_real_image_is_blocked_and_few_are_flagged() -> None:
    alarms = false_alarms(fit_ranges(technical_measures(REAL)), technical_measures(HELD_OUT))
    assert alarms["measured_on"] == 60
    assert alarms["false_blocks"] == 0
    assert alarms["false_flags"] <= 15


def test_being_smoother_or_less_saturated_than_any_real_image_is_no_fault_by_itself() -> None:
    ranges = fit_ranges(technical_measures(REAL))
    assert {ranges[name].verdict(0.0) for name in ("noise", "saturation")} == {"pass"}


def test_with_too_few_real_images_everything_is_flagged_and_the_reason_said() -> None:
    ranges = fit_ranges(technical_measures(REAL[:19]))
    assert set(gravest(ranges, HELD_OUT)) == {"flag"}
    assert str(ranges["contrast"]) == "not set: 19 real training images, 20 are needed"
