"""Heads that are fitted to their optimum, without steps: logistic regression, nearest mean.

A number of each, its penalty or its sharpness, is the one with the lowest loss on validation; without validation it is
the middle one.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from curation.errors import Diverged
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, evaluate_loss, sampling_probabilities
from train.adaptation.fit import FitTask, History
from train.adaptation.methods.implementation import FrozenEncoder
from train.adaptation.model import AdaptedModel, StandardizedHead

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # inverse strengths; the standardised features have deviation 1
SHARPNESS = (0.01, 0.1, 1.0, 10.0, 100.0)  # over the number of features
ITERATIONS = 1_000

Candidates = Iterator[tuple[float, Tensor, Tensor]]  # the number tried, weight (C, D), bias (C,)
Fit = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]], Candidates]


def logistic(features: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> Candidates:
    """Multinomial logistic regression under every penalty, each to its optimum."""
    for penalty in PENALTIES:
        fitted = LogisticRegression(C=penalty, max_iter=ITERATIONS).fit(features, labels, sample_weight=weights)
        weight, bias = torch.from_numpy(fitted.coef_).float(), torch.from_numpy(fitted.intercept_).float()
        if len(weight) == 1:  # of two classes scikit-learn gives the logit of the second alone
            weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
        yield penalty, weight, bias


def nearest_mean(features: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> Candidates:
    """Minus half the squared distance to the mean of every class, which is linear up to what all classes share."""
    classes = np.arange(labels.max() + 1)
    of_class = (labels[:, None] == classes) * weights[:, None]  # (N, C)
    means = torch.from_numpy((of_class / of_class.sum(axis=0)).T @ features.astype(np.float64)).float()
    for sharpness in SHARPNESS:
        scale = sharpness / features.shape[1]
        yield sharpness, scale * means, -scale * means.square().sum(dim=1) / 2


FITS: dict[str, Fit] = {"logistic": logistic, "nearest_mean": nearest_mean}


class ClosedHead(FrozenEncoder):
    """A head whose candidates the row names; validation chooses among them."""

    def fit(self, model: AdaptedModel | StandardizedHead, task: FitTask) -> History:
        """Put the best candidate into the head; the history has one entry for each."""
        assert isinstance(model, StandardizedHead)
        fit = FITS[task.config.method.row.options["fit"]]
        return fit_closed_head(fit, model, task.train, task.validation, task.config)


def fit_closed_head(
    fit: Fit, head: StandardizedHead, train: Examples, validation: Examples | None, config: AdaptationConfig
) -> History:
    """Fit `head` in place to the candidate of the lowest validation loss; raises Diverged where none is finite."""
    device = head.mean.device
    inputs = train.inputs(np.arange(len(train.labels))).to(device)
    features = ((inputs - head.mean) / head.std).cpu().numpy()
    weights = sampling_probabilities(train, config.class_balanced).numpy() * len(train.labels)
    tried: list[dict[str, float]] = []
    kept: list[tuple[Tensor, Tensor]] = []
    for number, (value, weight, bias) in enumerate(fit(features, train.labels, weights), start=1):
        _put(head, weight, bias)
        losses = {"train_loss": evaluate_loss(head, train, config.batch_size)["validation_loss"]}
        measures = {} if validation is None else evaluate_loss(head, validation, config.batch_size)
        tried.append({"step": float(number), "candidate": value, **losses, **measures})
        kept.append((weight, bias))
    best = len(tried) // 2
    if validation is not None:
        losses_by_candidate = np.array([point["validation_loss"] for point in tried])
        if not np.isfinite(losses_by_candidate).any():
            raise Diverged("no candidate of the head gives finite numbers. Choose another --adaptation.")
        best = int(np.nanargmin(losses_by_candidate))
    _put(head, *kept[best])
    return History(tried, len(tried), best + 1)


def _put(head: StandardizedHead, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        head.linear.weight.copy_(weight)
        head.linear.bias.copy_(bias)


IMPLEMENTATION = ClosedHead()
