"""Mix the images of a batch with each other, and their labels in the same shares."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

ALPHAS = {"mixup": 0.2, "cutmix": 1.0}  # the defaults of the papers for the Beta(alpha, alpha) of the share


def mixup(inputs: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """Average each image with another one (Zhang et al. 2017, arXiv:1710.09412)."""
    return share * inputs + (1 - share) * others, share


def cutmix(inputs: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """Put a rectangle of another image into each, at its own place (Yun et al. 2019, arXiv:1905.04899)."""
    height, width = inputs.shape[2:]
    half_height, half_width = height * (1 - share) ** 0.5 / 2, width * (1 - share) ** 0.5 / 2
    middle_y, middle_x = rng.uniform(0, height), rng.uniform(0, width)
    top, bottom = max(0, round(middle_y - half_height)), min(height, round(middle_y + half_height))
    left, right = max(0, round(middle_x - half_width)), min(width, round(middle_x + half_width))
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


MIXES: dict[str, Callable[[Tensor, Tensor, float, np.random.Generator], tuple[Tensor, float]]] = {
    "mixup": mixup,
    "cutmix": cutmix,
}


def mix_batch(
    kind: str, alpha: float | None, inputs: Tensor, targets: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix inputs (B, C, h, w) and targets (B, n_classes) with those of other places, all in one share."""
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    alpha = alpha or ALPHAS[kind]
    order = torch.from_numpy(rng.permutation(len(inputs)))
    mixed, share = MIXES[kind](inputs, inputs[order], float(rng.beta(alpha, alpha)), rng)
    return mixed, share * targets + (1 - share) * targets[order]
