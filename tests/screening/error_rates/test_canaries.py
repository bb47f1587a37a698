"""Planted canaries are counted where a fit reproduces them, and where the gate blocks them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curation.errors import BadInput, Conflict
from screening.error_rates.canaries import CanaryPlan, Planted, fit_both, plant
from screening.error_rates.canary_evidence import plot_canaries, regenerated, weigh
from tests.generate.folders import tiny_recipe, write_folder


def tiny_plan(**changes: object) -> CanaryPlan:
    values = {"per_repeat": 1, "others": 12, "images": 40, "repeats": (1, 10), "num_inference_steps": 2}
    return CanaryPlan(**(values | {"recipe": tiny_recipe()} | changes))


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return plant(write_folder(tmp_path / "folder", per_class=12), tiny_plan())


def test_each_canary_stands_as_often_as_planned_and_never_in_the_control(planted: Planted) -> None:
    assert planted.repeats.tolist() == [0] * 12 + [1, 10]
    assert len(planted.without.train) == 12
    assert len(planted.with_canaries.train) == 12 + 11
    canaries = {planted.file_sha256[position] for position in (12, 13)}
    assert canaries.isdisjoint(row.file_sha256 for row in planted.without.rows)
    stands = [row.file_sha256 for row in planted.with_canaries.rows].count(planted.file_sha256[13])
    assert stands == 10
    assert (planted.with_canaries.train_labels.numpy()[-10:] == planted.labels.numpy()[13]).all()
    assert all(row.origin == "real" for row in planted.with_canaries.rows)


def test_a_snapshot_with_too_few_subjects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected 2 canary subjects and 50 others"):
        plant(write_folder(tmp_path / "folder"), tiny_plan(others=50))


@pytest.mark.slow
def test_fits_are_kept_and_another_plan_does_not_take_their_place(planted: Planted, tmp_path: Path) -> None:
    drawn, control = fit_both(planted, tiny_plan(), tmp_path / "out", lambda _: None)
    assert drawn.shape == control.shape == (40, 12, 12, 1)
    again, _ = fit_both(planted, tiny_plan(), tmp_path / "out", lambda _: pytest.fail("fitted again"))
    np.testing.assert_array_equal(again, drawn)
    with pytest.raises(Conflict, match="another plan"):
        fit_both(planted, tiny_plan(seed=1), tmp_path / "out", lambda _: None)


def test_what_comes_back_and_what_is_stopped_are_counted_apart(planted: Planted, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, planted.pixels.shape, dtype=np.uint8)
    planted = replace(planted, pixels=pixels)
    control = random.integers(0, 256, (40, 12, 12, 1), dtype=np.uint8)
    near = np.clip(pixels[13].astype(int) + random.integers(-9, 10, (6, 12, 12, 1)), 0, 255).astype(np.uint8)
    others = np.clip(pixels[:12].astype(int) + random.integers(-9, 10, (12, 12, 12, 1)), 0, 255).astype(np.uint8)
    drawn = np.concatenate([near, np.tile(others, (3, 1, 1, 1))[:34]])
    assert regenerated(drawn, planted, 0.5).tolist() == [13] * 6 + [-1] * 34
    evidence = weigh(planted, drawn, control, lambda images: np.arange(len(images)) < 4)
    once, often = evidence["levels"]
    assert (once["repeats"], once["regenerated"]["count"], once["caught"]) == (1, 0, {"count": 0, "n": 0})
    assert (often["regenerated"]["count"], often["canary_images_regenerated"]) == (6, 1)
    assert (often["caught"]["count"], often["caught"]["n"]) == (4, 6)
    assert often["regenerated_by_control"]["n"] == 20
    assert evidence["blocked_of_other_images"]["count"] == 0
    plot_canaries(planted, drawn, control, tmp_path / "canaries.png")
    assert (tmp_path / "canaries.png").stat().st_size > 500
