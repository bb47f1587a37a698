"""Few-shot heads over cached vectors: Tip-Adapter, Tip-Adapter-F, SS-Text, a probe.

None was held against a published number: the tests hold each against its formula.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from curation.progress import silent
from train.fitting.checkpoint import Checkpoint
from train.fitting.phase import Phase
from train.fitting.schedules import warmup_cosine
from train.image_text.zero_shot import unit

ALPHA, BETA = 1.0, 5.5  # weight of the cache, and its sharpness: the paper's starting values; nothing is searched
STEPS, LEARNING_RATE = 100, 1e-3  # of Tip-Adapter-F
PENALTY = 1.0  # inverse strength of the probe's penalty
Floats = NDArray[np.float32]
Predict = Callable[[Floats], NDArray[np.floating]]  # unit vectors (N, D) to logits (N, C)


@dataclass(frozen=True, slots=True)
class LabelledShots:
    """The labelled images that a head may use: unit vectors (N, D), class indexes (N,), and what text says."""

    vectors: Floats
    labels: NDArray[np.int64]
    prototypes: Floats  # (C, D) unit vectors of the words of each class
    scale: float  # what cosines are multiplied with

    @property
    def one_hot(self) -> Tensor:
        """The classes (N, C)."""
        return one_hot(torch.from_numpy(self.labels), len(self.prototypes)).float()


def zero_shot(support: LabelledShots) -> Predict:
    """Use the words alone."""
    return lambda images: support.scale * images @ support.prototypes.T


class KeyCache(nn.Module):
    """Tip-Adapter's cache (Zhang et al. 2022, eq. 4): an image votes for the classes of the keys that it is like."""

    def __init__(self, support: LabelledShots) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.from_numpy(support.vectors).clone())  # (N, D)
        self.register_buffer("classes", support.one_hot)
        self.register_buffer("prototypes", torch.from_numpy(support.prototypes))
        self.scale = support.scale

    def forward(self, images: Tensor) -> Tensor:
        """Logits (M, C): of the words, plus ALPHA * exp(-BETA * (1 - cosine to each key)) * its class."""
        affinity = torch.exp(-BETA * (1 - images @ normalize(self.keys, dim=1).T))
        logits: Tensor = self.scale * images @ self.prototypes.T + ALPHA * affinity @ self.classes
        return logits

    @torch.inference_mode()
    def predict(self, images: Floats) -> NDArray[np.floating]:
        """Logits (M, C) of unit vectors (M, D)."""
        return self(torch.from_numpy(images)).numpy()


def tip_adapter(support: LabelledShots) -> Predict:
    """Tip-Adapter: the cache as it is, without training."""
    return KeyCache(support).predict


def tip_adapter_f(support: LabelledShots) -> Predict:
    """Tip-Adapter-F: the keys are trained, everything else is fixed. Vectors are cached, so nothing is augmented."""
    cache = KeyCache(support)
    images, labels = torch.from_numpy(support.vectors), torch.from_numpy(support.labels)
    with tempfile.TemporaryDirectory() as directory:
        phase = Phase(
            "tip-adapter-f",
            cache,
            torch.optim.AdamW(cache.parameters(), lr=LEARNING_RATE, eps=1e-4),
            STEPS,
            learning_rate=lambda step, initial: initial * warmup_cosine(step, 1, STEPS),
            checkpoint=Checkpoint(Path(directory) / "checkpoint.pt", "tip-adapter-f"),
        )
        phase.run(
            lambda _: cross_entropy(cache(images), labels), lambda _: {}, lambda _: silent(0, 0, None),
            evaluate_every=STEPS, report_every=STEPS, checkpoint_every=STEPS,
        )  # fmt: skip
    return cache.predict


def ss_text(support: LabelledShots) -> Predict:
    """SS-Text (Silva-Rodríguez et al. 2025): class weights in closed form, drawn towards the words of the class.

    They minimise -1/N sum_i scale x_i w_y(i) + sum_c lambda_c/2 |w_c - t_c|^2 with lambda_c = 1 over the images of c:
    w_c = t_c + n_c/N scale sum_{i in c} x_i, and are then scaled to length 1.
    """
    classes = support.one_hot.numpy()  # (N, C)
    counts = classes.sum(axis=0)[:, None]
    sums = support.scale * classes.T @ support.vectors
    weights = unit(support.prototypes + counts / len(support.labels) * sums)
    return lambda images: support.scale * images @ weights.T


def probe(support: LabelledShots) -> Predict:
    """Logistic regression on the vectors, which knows no words."""
    fitted = LogisticRegression(C=PENALTY, max_iter=2_000).fit(support.scale * support.vectors, support.labels)
    if len(support.prototypes) == 2:
        return lambda images: np.stack([0 * images[:, 0], fitted.decision_function(support.scale * images)], axis=1)
    return lambda images: fitted.decision_function(support.scale * images)


HEADS: dict[str, Callable[[LabelledShots], Predict]] = {
    "words alone": zero_shot,
    "Tip-Adapter": tip_adapter,
    "Tip-Adapter-F": tip_adapter_f,
    "SS-Text": ss_text,
    "probe": probe,
}


def draw_shots(labels: NDArray[np.int64], shots: int, seed: int) -> NDArray[np.int64]:
    """Draw `shots` images of each class (C * shots,), fewer where a class has fewer; a function of the seed."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)]
    return np.sort(np.concatenate(drawn))
