"""A network is given batches of one shape."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModel

from tests.train.backbones.test_load import ARCHITECTURES, images
from tests.train.tiny import save_backbone
from train.backbones.fixed_rows import MOST_ROWS, NETWORK_ROWS, choose_rows, in_fixed_rows, rows_that_fit
from train.backbones.load import Backbone


@pytest.mark.parametrize("count", [1, 7, 8, 9, 24])
def test_every_batch_has_the_same_number_of_rows_and_each_row_comes_back_in_its_place(count: int) -> None:
    shapes: list[int] = []

    def double(rows: Tensor) -> Tensor:
        shapes.append(len(rows))
        return 2 * rows

    rows = torch.arange(count * 3.0).reshape(count, 3)
    assert torch.equal(in_fixed_rows(double, rows), 2 * rows)
    assert shapes == [NETWORK_ROWS] * -(-count // NETWORK_ROWS)


def test_the_rows_of_a_gpu_follow_its_memory_and_are_a_power_of_two() -> None:
    assert rows_that_fit(24 << 30, 100 << 20) == 32  # a quarter of 24 GiB holds 61
    assert rows_that_fit(24 << 30, 1 << 20) == MOST_ROWS
    assert rows_that_fit(4 << 30, 1 << 30) == NETWORK_ROWS
    assert rows_that_fit(8 << 30, 0) == MOST_ROWS


@pytest.mark.parametrize(("side", "expected"), [(32, 64), (64, 64), (65, 8), (112, 8)])
def test_a_processor_gets_eight_rows_and_sixty_four_of_small_images(side: int, expected: int) -> None:
    assert choose_rows(lambda rows: rows, torch.zeros(1, 3, side, side)) == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_as_many_rows_as_a_quarter_of_its_memory_holds() -> None:
    network = torch.nn.Conv2d(1, 64, 3, device="cuda")
    rows = choose_rows(network, torch.zeros(1, 1, 64, 64, device="cuda"))
    assert NETWORK_ROWS <= rows <= MOST_ROWS


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_features_are_equal_to_the_last_bit_whichever_images_stand_beside(name: str, tmp_path: Path) -> None:
    backbone = Backbone.load(save_backbone(tmp_path / "model", AutoModel.from_config(ARCHITECTURES[name][0])))
    pixels = images(11)
    together = backbone.features(pixels)
    np.testing.assert_array_equal(
        np.concatenate([backbone.features(pixels[row : row + 1]) for row in range(11)]), together
    )
    order = np.random.default_rng(1).permutation(11)
    np.testing.assert_array_equal(backbone.features(pixels[order]), together[order])
