"""Images survive the canvas, and the scores of reconstructions are right."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generate.canvas import Canvas, to_uint8
from generate.latent_flow.objectives import image_gradients, psnr_db
from generate.pipelines.autoencoder import ImageAutoencoder

sides = st.integers(3, 40)


@given(sides, sides, st.sampled_from([1, 3]), st.sampled_from([4, 8, 16]))
def test_padding_to_a_canvas_and_back_changes_no_pixel(height: int, width: int, channels: int, multiple: int) -> None:
    pixels = np.random.default_rng(height * 41 + width).integers(0, 256, (2, height, width, channels), dtype=np.uint8)
    canvas = Canvas.plan(height, width, "pad", multiple)
    images = canvas.to_canvas(pixels)
    assert images.shape[2] % multiple == images.shape[3] % multiple == 0
    assert images.shape[2] - height < multiple
    assert np.array_equal(to_uint8(canvas.from_canvas(images)), pixels)


def test_resizing_to_a_canvas_and_back_keeps_the_shape_and_a_flat_image() -> None:
    pixels = np.full((1, 30, 50, 3), 77, np.uint8)
    canvas = Canvas.plan(30, 50, 16, 8)
    images = canvas.to_canvas(pixels)
    assert images.shape == (1, 3, 16, 16)
    assert np.array_equal(to_uint8(canvas.from_canvas(images)), pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_autoencoder_is_four_times_down_and_its_latents_normalised(channels: int) -> None:
    torch.manual_seed(0)
    model = ImageAutoencoder(channels, (8, 16), 1, 4).eval()
    images = torch.rand(16, channels, 16, 24) * 2 - 1
    with torch.no_grad():
        model.normalise(model.encoder(images))
        latents = model.encode(images)
        assert latents.shape == (16, 4, 4, 6)
        assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4)
        assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4)
        assert torch.allclose(model.decode(latents), model(images), atol=1e-4)


def test_latent_noise_is_in_units_of_the_latents_own_spread() -> None:
    torch.manual_seed(0)
    model = ImageAutoencoder(1, (8, 16), 1, 4).eval()
    images = torch.rand(4, 1, 16, 16)
    noiseless = model(images, torch.zeros(4, 4, 4, 4))
    assert torch.equal(noiseless, model(images))
    assert not torch.equal(model(images, torch.ones(4, 4, 4, 4)), noiseless)


def test_gradients_of_a_ramp_are_its_slope_and_of_a_flat_image_nothing() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    across, down = image_gradients(ramp).view(1, 3, 2, 6, 6).unbind(2)
    assert torch.allclose(across, torch.ones_like(across))
    assert torch.allclose(down, torch.zeros_like(down))


def test_psnr_of_one_level_off_is_48_db_and_of_equal_images_100() -> None:
    image = np.full((2, 4, 4, 1), 10, np.uint8)
    assert psnr_db(image + np.uint8(1), image) == pytest.approx([48.13, 48.13], abs=0.01)
    assert psnr_db(image, image) == pytest.approx([100.0, 100.0])
