"""The shipped generator is small, whole and says what it saw."""

import numpy as np
import pytest

from curation.ingest.virtual_brains.render import CLASSES, NOTICE, SHIPPED_RANGE
from generate.card import read_card
from generate.latent_flow.recipe import FitRecipe
from generate.registry import SHIPPED
from generate.request import GenerationRequest
from generate.sample import sample_images


def test_the_shipped_generator_is_small_enough_and_says_how_it_was_made() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 25_000_000
    card = read_card(SHIPPED)
    recipe = FitRecipe.read(SHIPPED.with_name("virtual-brains-flow.recipe.json"))
    assert FitRecipe(**card["recipe"]) == FitRecipe.read(SHIPPED / "recipe.json") == recipe
    assert card["notice"] == NOTICE
    assert card["metrics"]["autoencoder"]["psnr_db"] >= 30
    assert card["metrics"]["acceptance"]["agreement_with_requested_label"]["all"] >= 0.8


def test_the_shipped_generator_saw_the_reserved_range_alone() -> None:
    subjects = read_card(SHIPPED)["fitted_on"]["subjects"]
    assert len(subjects) == 6000
    assert all(int(subject.removeprefix("vb-")) in SHIPPED_RANGE for subject in subjects)


@pytest.fixture(scope="module")
def request_of_six() -> GenerationRequest:
    counts = dict.fromkeys(CLASSES, 2)
    return GenerationRequest.checked(generator="virtual-brains-flow", counts=counts, seed=7, num_inference_steps=6)


@pytest.mark.slow
def test_the_shipped_generator_makes_the_same_brains_at_any_batch_size(request_of_six: GenerationRequest) -> None:
    plan = request_of_six.plan()
    together = [pixels for _, _, pixels in sample_images(SHIPPED, plan, request_of_six, 16, "cpu")]
    apart = [pixels for _, _, pixels in sample_images(SHIPPED, plan[3:], request_of_six, 1, "cpu")]
    assert np.array_equal(np.stack(together[3:]), np.stack(apart))
    for pixels in together:
        assert pixels.shape == (64, 64, 1)
        assert pixels[:3].max() < 20  # air around the head
        assert pixels[24:40, 24:40].mean() > 60
