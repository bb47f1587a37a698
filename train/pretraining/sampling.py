"""Which images and numbers a step of pretraining draws: functions of seed and step alone."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

EVALUATION_STEP = -1  # its generator chooses what is kept from the fit, and the masks and views of the held-out loss


def pretraining_generator(seed: int, step: int) -> torch.Generator:
    """Make the generator of one step, independent of all steps before it."""
    digest = hashlib.sha256(f"pretrain:{seed}:{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def choose_batch(seed: int, batch_size: int, count: int, step: int) -> NDArray[np.int64]:
    """Choose those of `count` images that a step takes: the next slice of the epoch's permutation."""
    epoch, position = divmod(step, count // batch_size)
    order = torch.randperm(count, generator=pretraining_generator(seed, -2 - epoch))
    return order[position * batch_size : (position + 1) * batch_size].numpy()


def split_held_out(seed: int, count: int, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split `count` images into those that are fitted and those kept from the fit, by index."""
    order = torch.randperm(count, generator=pretraining_generator(seed, EVALUATION_STEP)).numpy()
    return order[held_out:], order[:held_out]
