"""Views of images follow their preset and their generator; mixed batches keep shares of labels."""

import numpy as np
import pytest
import torch

from curation.image_store import Pixels
from tests.train.snapshots import make_image
from train.augmentation.mixing import MIXES, mix_batch
from train.augmentation.presets import PRESETS
from train.augmentation.transforms import StainJitter, blur
from train.augmentation.views import Augmentation


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(channels: int = 1, bits: int = 8) -> Pixels:
    return np.stack([make_image("upper", number, channels, bits)[:, :24] for number in range(4)])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (3, 16)])
def test_a_generator_decides_the_views_which_keep_shape_and_depth(preset: str, channels: int, bits: int) -> None:
    pixels = images(channels, bits)
    augmentation = Augmentation(preset, (32, 24))
    views = augmentation.views(pixels, seeded(1))
    assert (views.shape, views.dtype) == (pixels.shape, pixels.dtype)
    assert not np.array_equal(views, pixels)
    augmentation.views(pixels, seeded(2))  # what was drawn before does not matter
    np.testing.assert_array_equal(augmentation.views(pixels, seeded(1)), views)
    np.testing.assert_array_equal(Augmentation(preset, (32, 24)).views(pixels, seeded(1)), views)


@pytest.mark.parametrize("preset", PRESETS)
def test_only_cells_and_skin_are_mirrored(preset: str) -> None:
    left_bright = np.full((40, 32, 32, 1), 40, np.uint8)
    left_bright[:, :, :16] = 200
    views = Augmentation(preset, (32, 32)).views(left_bright, seeded(0)).astype(float)
    is_mirrored = views[:, :, 16:].mean(axis=(1, 2, 3)) > views[:, :, :16].mean(axis=(1, 2, 3))
    assert bool(is_mirrored.any()) == (preset in ("microscopy", "skin"))


def test_a_blurred_image_has_no_dark_frame() -> None:
    blurring, white = blur((32, 24), (0.5, 0.8)), torch.ones(1, 32, 24)
    for seed in range(8):
        torch.testing.assert_close(
            torch.as_tensor(blurring.set_random_state(seed=seed)(white)), white, rtol=0, atol=1e-3
        )


def test_stains_of_no_strength_give_the_image_back() -> None:
    image = torch.rand(3, 8, 8, generator=seeded(0)) * 0.9 + 0.05
    torch.testing.assert_close(StainJitter(0.0)(image), image, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", MIXES)
def test_labels_are_mixed_in_the_shares_of_the_pixels(kind: str) -> None:
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    targets = torch.nn.functional.one_hot(labels, 2).float()
    inputs = labels.float()[:, None, None, None].expand(6, 3, 10, 10)  # an image is as bright as its label
    mixed_something = False
    for seed in range(8):
        mixed, shares = mix_batch(kind, 1.0, inputs, targets, seeded(seed))
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))
        torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), shares[:, 1])
        mixed_something |= bool(((shares > 0.01) & (shares < 0.99)).any())
    assert mixed_something
