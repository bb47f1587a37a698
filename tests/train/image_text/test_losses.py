"""The losses equal a few lines of reference."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from train.image_text.losses import info_nce, same_captions, sigmoid_loss


@pytest.fixture
def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return tuple(normalize(torch.randn(5, 7, generator=generator, dtype=torch.float64), dim=1) for _ in range(2))


SCALE = torch.tensor(4.0, dtype=torch.float64)


def test_info_nce_of_different_captions_is_cross_entropy_both_ways(vectors: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, texts = vectors
    logits, own = 4.0 * images @ texts.T, torch.arange(5)
    expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    assert info_nce(images, texts, SCALE, same_captions(own)).item() == pytest.approx(expected.item(), abs=1e-12)


def test_info_nce_shares_the_target_among_pairs_with_one_caption(vectors: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, texts = vectors
    numbers = [0, 1, 0, 2, 2]
    logits = (4.0 * images @ texts.T).tolist()
    total = 0.0
    for rows in (logits, [list(column) for column in zip(*logits, strict=True)]):
        for i, row in enumerate(rows):
            norm = math.log(sum(math.exp(value) for value in row))
            alike = [j for j in range(5) if numbers[j] == numbers[i]]
            total -= sum(row[j] - norm for j in alike) / len(alike)
    same = same_captions(torch.tensor(numbers))
    assert info_nce(images, texts, SCALE, same).item() == pytest.approx(total / 10, abs=1e-12)


def test_the_sigmoid_loss_asks_one_binary_question_a_pair(vectors: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, texts = vectors
    numbers, bias = [0, 1, 0, 2, 3], -1.5
    total = 0.0
    for i in range(5):
        for j in range(5):
            logit = 4.0 * float(images[i] @ texts[j]) + bias
            sign = 1 if numbers[i] == numbers[j] else -1
            total -= math.log(1 / (1 + math.exp(-sign * logit)))
    loss = sigmoid_loss(
        images, texts, SCALE, torch.tensor(bias, dtype=torch.float64), same_captions(torch.tensor(numbers))
    )
    assert loss.item() == pytest.approx(total / 5, abs=1e-12)
