"""The loss of a step: images drawn, changed and mixed, in portions whose gradients add up."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from curation.errors import BadInput
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, sampling_probabilities
from train.augmentation.mixing import mix_batch
from train.fitting.memory import free_cached_memory
from train.fitting.seeding import step_generator


class BatchLoss:
    """The objective of a fit; which images a step takes depends on the generator alone, not on the portions."""

    def __init__(
        self,
        model: nn.Module,
        train: Examples,
        config: AdaptationConfig,
        generator: torch.Generator,
        penalty: Callable[[], Tensor] | None,
    ) -> None:
        self.model, self.train, self.config = model, train, config
        self.generator, self.penalty = generator, penalty
        self.device = next(model.parameters()).device
        self.portions = config.accumulation
        shares = sampling_probabilities(train, config.class_balanced)
        in_loss = config.weighting == "loss" or config.synthetic == "weighted"
        self.probabilities = torch.full_like(shares, 1 / len(shares)) if in_loss else shares
        self.loss_weights = shares.float() * len(shares) if in_loss else None
        self.autocast_type = autocast_type(config.precision, self.device.type)

    @property
    def images_at_once(self) -> int:
        """The largest portion."""
        return -(-self.config.batch_size // self.portions)

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step; gradients of all portions but the last are there already, those of it flow."""
        chosen = torch.multinomial(
            self.probabilities, self.config.batch_size, replacement=True, generator=self.generator
        )
        inputs, targets = self._batch(chosen, step)
        total = torch.zeros((), device=self.device)
        starts = range(0, len(inputs), self.images_at_once)
        for start in starts:
            part = slice(start, start + self.images_at_once)
            loss = self._loss(inputs[part], targets[part])
            if len(starts) > 1:
                loss = loss * (len(inputs[part]) / len(inputs))
            if start != starts[-1]:
                loss.backward()
                total += loss.detach()
        loss = loss + total if len(starts) > 1 else loss
        return loss if self.penalty is None else loss + self.penalty()

    def halve(self, error: RuntimeError) -> None:
        """Take half as many images at once from here on; raises BadInput where it is one already."""
        free_cached_memory()
        if self.images_at_once == 1:
            raise BadInput(
                "the memory does not hold the step of a single image. Use --gradient-checkpointing, a smaller "
                "--backbone or an adaptation that trains fewer weights."
            ) from error
        self.portions = min(self.config.batch_size, 2 * self.portions)

    def _batch(self, chosen: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Make inputs (B, ...) of chosen examples, changed and mixed as the configuration says, and their targets.

        Targets are labels (B,), or weighted shares of classes (B, n_classes). What is random comes from the seed and
        the number of the step alone.
        """
        config, indexes = self.config, chosen.numpy()
        generator = step_generator(config.seed, "augmentation", step)
        inputs = self._inputs(indexes, generator)
        targets = torch.from_numpy(self.train.labels)[chosen]
        if config.mix == "none" and self.loss_weights is None:
            return inputs, targets
        shares = one_hot(targets, self._num_classes()).float()
        if self.loss_weights is not None:
            shares = shares * self.loss_weights[chosen][:, None]
        if config.mix == "none":
            return inputs, shares
        return mix_batch(config.mix, config.mix_alpha, inputs, shares, generator)

    def _inputs(self, indexes: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        return self.train.views(indexes, generator) if self.train.views else self.train.inputs(indexes)

    def _num_classes(self) -> int:
        weights = self.train.class_weights
        return int(self.train.labels.max()) + 1 if weights is None else len(weights)

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(self.device.type, self.autocast_type, enabled=self.autocast_type is not None):
            logits = self.model(inputs.to(self.device))
        return cross_entropy(logits.float(), targets.to(self.device))


def autocast_type(precision: str, device: str) -> torch.dtype | None:
    """Choose the type that a network computes in beside float32; None for float32 alone."""
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return torch.bfloat16 if precision == "bfloat16" else None
