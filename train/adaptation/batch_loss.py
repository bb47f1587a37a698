"""The loss of a step: images drawn, changed and mixed, in portions whose gradients add up."""

from collections.abc import Callable

import torch
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
        loss = self._loss(inputs, targets) if self.portions == 1 else self._loss_of_portions(inputs, targets)
        return loss if self.penalty is None else loss + self.penalty()

    def _loss_of_portions(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Compute gradients of all portions but the last, and return the loss, from which those of the last flow."""
        total = torch.zeros((), device=self.device)
        portions = list(zip(inputs.split(self.images_at_once), targets.split(self.images_at_once), strict=True))
        for number, (some_inputs, some_targets) in enumerate(portions, start=1):
            loss = self._loss(some_inputs, some_targets) * (len(some_inputs) / len(inputs))
            total = total + (loss if number == len(portions) else loss.detach())
            if number < len(portions):
                loss.backward()
        return total

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
        labels = torch.from_numpy(self.train.labels)[chosen]
        if self.train.views is None and config.mix == "none":
            return self.train.inputs(indexes), labels if self.loss_weights is None else self._shares(chosen, labels)
        generator = step_generator(config.seed, "augmentation", step)
        inputs = self.train.views(indexes, generator) if self.train.views else self.train.inputs(indexes)
        if config.mix != "none":
            return mix_batch(config.mix, config.mix_alpha, inputs, self._shares(chosen, labels), generator)
        return inputs, labels if self.loss_weights is None else self._shares(chosen, labels)

    def _shares(self, chosen: Tensor, labels: Tensor) -> Tensor:
        """The shares of classes (B, n_classes), times the weights in the loss where there are any."""
        class_weights = self.train.class_weights
        num_classes = int(self.train.labels.max()) + 1 if class_weights is None else len(class_weights)
        shares = one_hot(labels, num_classes).float()
        return shares if self.loss_weights is None else shares * self.loss_weights[chosen][:, None]

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        if self.autocast_type is None:
            return cross_entropy(self.model(inputs), targets)
        with torch.autocast(self.device.type, self.autocast_type):
            logits = self.model(inputs)
        return cross_entropy(logits.float(), targets)


def autocast_type(precision: str, device: str) -> torch.dtype | None:
    """Choose the type that a network computes in beside float32; None for float32 alone."""
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return torch.bfloat16 if precision == "bfloat16" else None
