"""Run a network on batches of one shape, so that an image does not depend on those beside it.

How a matrix product adds up depends on its shape: a network given 1, 3 or 32 rows may differ in the last bits. On a
processor 8 rows are also the quickest or close to it, 64 of small images; on a GPU a batch fills a part of its memory.
"""

from collections.abc import Callable

import torch
from torch import Tensor

NETWORK_ROWS = 8
SMALL_INPUT, ROWS_OF_SMALL_INPUTS = 64 * 64, 64  # pixels; the shipped student takes a quarter less time
MOST_ROWS = 256  # a GPU is busy with fewer, and a last batch is filled up to as many
SHARE = 4  # of a GPU's memory one in so many parts, since other processes use it too


def in_fixed_rows(network: Callable[..., Tensor], *inputs: Tensor, rows: int = NETWORK_ROWS) -> Tensor:
    """Run `network` on exactly `rows` rows at a time, the last ones repeated to fill up."""
    outputs = []
    for parts in zip(*(tensor.split(rows) for tensor in inputs), strict=True):
        count = len(parts[0])
        full = [torch.cat([tensor, tensor[-1:].expand(rows - count, *tensor.shape[1:])]) for tensor in parts]
        outputs.append(network(*full)[:count])
    return torch.cat(outputs)


def choose_rows(network: Callable[[Tensor], object], blank: Tensor) -> int:
    """Choose how many rows `network` gets at a time, given one blank row (1, C, h, w) on its device."""
    device = blank.device
    if device.type != "cuda":
        return ROWS_OF_SMALL_INPUTS if blank[0, 0].numel() <= SMALL_INPUT else NETWORK_ROWS
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    with torch.inference_mode():
        network(blank.expand(NETWORK_ROWS, *blank.shape[1:]))
    row_bytes = (torch.cuda.max_memory_allocated(device) - before) // NETWORK_ROWS
    return rows_that_fit(torch.cuda.get_device_properties(device).total_memory, row_bytes)


def rows_that_fit(memory_bytes: int, row_bytes: int) -> int:
    """The largest power of two of rows that a quarter of the memory holds, at least 8 and at most 256."""
    rows = memory_bytes // (SHARE * max(row_bytes, 1))
    return min(max(1 << max(rows.bit_length() - 1, 0), NETWORK_ROWS), MOST_ROWS)
