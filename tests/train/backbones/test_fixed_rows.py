"""A network is given batches of one shape."""

import pytest
import torch
from torch import Tensor

from train.backbones.fixed_rows import MOST_ROWS, NETWORK_ROWS, choose_rows, in_fixed_rows, rows_that_fit


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


def test_a_processor_gets_eight_rows() -> None:
    assert choose_rows(lambda rows: rows, torch.zeros(1, 1, 4, 4)) == NETWORK_ROWS


@pytest.mark.gpu
def test_a_gpu_gets_as_many_rows_as_a_quarter_of_its_memory_holds() -> None:
    network = torch.nn.Conv2d(1, 64, 3, device="cuda")
    rows = choose_rows(network, torch.zeros(1, 1, 64, 64, device="cuda"))
    assert NETWORK_ROWS <= rows <= MOST_ROWS
