"""A recipe for so many hours: the largest networks that learn enough, by timed steps, with reasons."""

from pathlib import Path

import pytest

import generate.latent_flow.suggest
from curation.snapshots.folder import SnapshotFolder
from generate.latent_flow.recipe import FitRecipe
from generate.latent_flow.suggest import AUTOENCODER_STEPS, FLOW_STEPS, SIZES, suggest_recipe
from generate.latent_flow.timing import FitSize, estimate_fit, time_flow
from tests.generate.folders import tiny_recipe, write_folder
from train.fitting.timing import TooSlow


class StepClock:
    """A clock on which a step takes so many seconds: it is looked at before and after each."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    return write_folder(tmp_path_factory.mktemp("snapshot") / "tiny")


@pytest.fixture(autouse=True)
def narrow_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with networks that take milliseconds."""
    sizes = {"large": ((16, 32), (64, 64)), "small": ((16, 16), (32, 64)), "tiny": ((8, 16), (32, 32))}
    monkeypatch.setattr(generate.latent_flow.suggest, "SIZES", sizes)


def test_with_enough_time_the_largest_networks_are_chosen_and_steps_fill_the_time(folder: SnapshotFolder) -> None:
    suggestion = suggest_recipe(folder, 10, "cpu", StepClock(1.0))
    recipe = suggestion.recipe
    assert recipe.autoencoder.block_out_channels == (16, 32)
    assert (recipe.autoencoder.steps, recipe.flow.steps) == (AUTOENCODER_STEPS, FLOW_STEPS)  # few images: few passes
    assert suggestion.warning is None
    assert 4_000 <= suggestion.estimate.total_s < 10 * 3_600
    assert any("passes over" in reason for reason in suggestion.reasons)
    assert "s here" in suggestion.reasons[0]


def test_with_too_little_time_the_smallest_are_chosen_and_that_is_said(folder: SnapshotFolder) -> None:
    suggestion = suggest_recipe(folder, 0.5, "cpu", StepClock(1.0))
    recipe = suggestion.recipe
    assert recipe.autoencoder.block_out_channels == (8, 16)
    assert (recipe.autoencoder.steps, recipe.flow.steps) == (765, 765)
    assert suggestion.warning is not None
    assert "0.5 h are too short here" in suggestion.warning
    assert any(reason.startswith("too slow for the time: large at ") for reason in suggestion.reasons)
    assert suggestion.estimate.total_s <= 0.6 * 3_600


def test_the_same_recipe_comes_back_from_its_file(folder: SnapshotFolder, tmp_path: Path) -> None:
    recipe = suggest_recipe(folder, 1, "cpu", StepClock(0.1)).recipe
    path = tmp_path / "recipe.json"
    path.write_text(recipe.model_dump_json())
    assert FitRecipe.read(path) == recipe


def test_an_estimate_counts_steps_and_evaluations(folder: SnapshotFolder) -> None:
    estimate = estimate_fit(folder, tiny_recipe(), "cpu", StepClock(2.0))
    recipe = tiny_recipe()
    assert [(phase.steps, phase.step_s) for phase in estimate.phases] == [
        (recipe.autoencoder.steps, 2.0),
        (recipe.flow.steps, 2.0),
    ]
    assert estimate.total_s > 2.0 * (recipe.autoencoder.steps + recipe.flow.steps)
    assert "on this machine" in estimate.words()


def test_a_first_step_that_is_far_too_slow_ends_the_timing(folder: SnapshotFolder) -> None:
    with pytest.raises(TooSlow):
        time_flow(tiny_recipe(), FitSize.of(folder), "cpu", StepClock(9.0), patience_s=8.0)


def test_the_sizes_that_ship_are_recipes_that_a_fit_takes() -> None:
    assert SIZES is not generate.latent_flow.suggest.SIZES  # those of the tests are in place
    assert list(SIZES) == ["large", "medium", "small", "tiny"]
    for autoencoder, flow in SIZES.values():
        assert all(channels % 32 == 0 for channels in flow)
        assert all(channels % 8 == 0 for channels in autoencoder)
