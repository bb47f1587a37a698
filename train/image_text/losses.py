"""Contrastive losses of image-text pairs; pairs with equal captions are no negatives of each other."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid


def same_captions(numbers: Tensor) -> Tensor:
    """Tell which pairs of a batch have the same caption (B, B), from the numbers of their captions (B,)."""
    return numbers[:, None] == numbers[None, :]


def info_nce(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Symmetric InfoNCE (Radford et al. 2021) of unit vectors (B, D), the mean of both directions.

    The target of a row is uniform over the pairs with its caption (`same`, (B, B)), as in UniCL (Yang et al. 2022);
    where all captions differ, it is the pair itself.
    """
    logits = scale * images @ texts.T
    targets = same / same.sum(dim=1, keepdim=True)
    return -0.5 * sum((targets * log_softmax(rows, dim=1)).sum(dim=1).mean() for rows in (logits, logits.T))


def sigmoid_loss(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, same: Tensor) -> Tensor:
    """SigLIP's loss (Zhai et al. 2023, eq. 1): each pair of the batch is a binary question, summed over a row."""
    logits = scale * images @ texts.T + bias
    return -logsigmoid(torch.where(same, 1.0, -1.0) * logits).sum(dim=1).mean()
