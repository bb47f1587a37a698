"""Labelled examples, how often each is drawn, and how a model is measured on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from train.adaptation.config import AdaptationConfig

Views = Callable[[NDArray[np.int64], torch.Generator], Tensor]  # (B,) indexes to inputs, changed at random


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled inputs by index: cached features for a frozen backbone, preprocessed images otherwise."""

    inputs: Callable[[NDArray[np.int64]], Tensor]  # (B,) indexes to (B, ...) model inputs
    labels: NDArray[np.int64]  # (N,)
    weights: NDArray[np.float64]  # (N,)
    class_weights: NDArray[np.float64] | None = None  # (n_classes,); None: every class weighs the same
    views: Views | None = None  # augmented inputs for training
    measured_weights: NDArray[np.float64] | None = None  # (N,) in a measured loss; None: every image counts once


def sampling_probabilities(examples: Examples, class_balanced: bool) -> Tensor:
    """Compute the probability (N,) that an example is drawn: in proportion to its weight.

    If `class_balanced`, weights count within a class, and classes are drawn equally often or in proportion to their
    class weights.
    """
    weights = examples.weights.astype(np.float64)
    if class_balanced:
        weights = weights / np.bincount(examples.labels, weights=weights)[examples.labels]
        if examples.class_weights is not None:
            weights = weights * examples.class_weights[examples.labels]
    return torch.from_numpy(weights / weights.sum())


def measured_as_trained(examples: Examples, config: AdaptationConfig) -> Examples:
    """Let validation images count as training images do, where the configuration says so."""
    if config.validation_weighting == "images":
        return examples
    return replace(examples, measured_weights=sampling_probabilities(examples, config.class_balanced).numpy())


def predict_logits(model: nn.Module, examples: Examples, batch_size: int) -> Tensor:
    """Compute logits (N, n_classes) on the CPU, in eval mode and without gradients."""
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
    """Measure cross-entropy, weighted where the examples say so, and the share of correct images."""
    logits = predict_logits(model, examples, batch_size)
    labels = torch.from_numpy(examples.labels)
    accuracy = (logits.argmax(dim=1) == labels).double().mean()
    if examples.measured_weights is None:
        loss = cross_entropy(logits, labels)
    else:
        weights = torch.from_numpy(examples.measured_weights)
        loss = (cross_entropy(logits, labels, reduction="none").double() * weights).sum() / weights.sum()
    return {"validation_loss": float(loss), "validation_accuracy": float(accuracy)}
