"""The training loop: weighted sampling, warm-up and cosine, validation, early stopping, the best weights kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from curation.progress import OnProgress
from train.adaptation.config import AdaptationConfig


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled inputs by index: cached features for a frozen backbone, preprocessed images otherwise."""

    inputs: Callable[[NDArray[np.int64]], Tensor]  # (B,) indexes to (B, ...) model inputs
    labels: NDArray[np.int64]  # (N,)
    weights: NDArray[np.float64]  # (N,)
    class_weights: NDArray[np.float64] | None = None  # (n_classes,); None: every class weighs the same


@dataclass(slots=True)
class History:
    """What happened: losses per evaluation, how many steps were taken, and which step's weights were kept."""

    evaluations: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    best_step: int = 0


def sampling_probabilities(examples: Examples, class_balanced: bool) -> Tensor:
    """Chance of each example to be drawn (N,): its weight.

    If `class_balanced`, each class is drawn equally often, or as often as its class weight says, and weights decide
    within a class: else a snapshot's class weights would be evened out again.
    """
    chance = examples.weights.astype(np.float64)
    if class_balanced:
        per_class = np.bincount(examples.labels, weights=chance)
        chance = chance / per_class[examples.labels]
        if examples.class_weights is not None:
            chance = chance * examples.class_weights[examples.labels]
    return torch.from_numpy(chance / chance.sum())


def learning_rate_factor(step: int, total: int, warmup_fraction: float) -> float:
    """Linear warm-up over the first part, then a cosine to zero; `step` counts from 0."""
    warmup = max(1, round(total * warmup_fraction))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def predict_logits(model: nn.Module, examples: Examples, batch_size: int) -> Tensor:
    """Logits (N, n_classes) on the CPU, in eval mode and without gradients."""
    model.eval()
    device = next(model.parameters()).device
    indexes = np.arange(len(examples.labels))
    with torch.inference_mode():
        batches = [
            model(examples.inputs(indexes[start : start + batch_size]).to(device)).float().cpu()
            for start in range(0, len(indexes), batch_size)
        ]
    return torch.cat(batches)


def evaluate_loss(model: nn.Module, examples: Examples, batch_size: int) -> dict[str, float]:
    """Cross-entropy and accuracy on `examples`."""
    logits = predict_logits(model, examples, batch_size)
    labels = torch.from_numpy(examples.labels)
    accuracy = (logits.argmax(dim=1) == labels).double().mean()
    return {"validation_loss": float(cross_entropy(logits, labels)), "validation_accuracy": float(accuracy)}


def kept_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of what training changes: trained parameters and buffers."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value.detach().clone() for name, value in model.state_dict().items() if name not in frozen}


def train_model(
    model: nn.Module,
    train: Examples,
    validation: Examples | None,
    config: AdaptationConfig,
    on_progress: OnProgress,
) -> History:
    """Train `model` in place and leave it with its best weights by validation loss, or its last without validation.

    Which examples are drawn depends on `config.seed` alone. The caller seeds torch for initial weights and dropout.
    """
    total = config.total_steps(len(train.labels))
    evaluate_every = max(1, total // config.evaluations)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.effective_learning_rate(), weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, total, config.warmup_fraction)
    )
    prepared, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    generator = torch.Generator().manual_seed(config.seed)
    chance = sampling_probabilities(train, config.class_balanced)
    labels = torch.from_numpy(train.labels)
    history, best_loss, best, recent = History(), math.inf, kept_state(model), []
    for step in range(1, total + 1):
        prepared.train()
        chosen = torch.multinomial(chance, config.batch_size, replacement=True, generator=generator)
        logits = prepared(train.inputs(chosen.numpy()).to(accelerator.device))
        loss = cross_entropy(logits, labels[chosen].to(accelerator.device))
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        schedule.step()
        recent.append(float(loss.detach()))
        history.steps = step
        if step % evaluate_every and step != total:
            continue
        point = {"step": float(step), "train_loss": float(np.mean(recent))}
        recent = []
        if validation is not None:
            point |= evaluate_loss(model, validation, config.batch_size)
        history.evaluations.append(point)
        on_progress(step, total, f"loss {point['train_loss']:.3f}")
        if validation is None or point["validation_loss"] < best_loss:
            best_loss, history.best_step = point.get("validation_loss", math.inf), step
            best = kept_state(model)
        elif config.patience is not None and step - history.best_step >= config.patience * evaluate_every:
            break
    model.load_state_dict(best, strict=False)
    return history
