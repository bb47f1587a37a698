"""Classify images by the words for their classes, without any training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from train.image_text.prompts import TEMPLATES, word_class
from train.image_text.two_towers import TwoTowers

Floats = NDArray[np.float32]


def class_prototypes(towers: TwoTowers, classes: Sequence[str], templates: Sequence[str] = TEMPLATES) -> Floats:
    """One unit vector (C, D) of each class: the mean over its wordings (Radford et al. 2021, section 3.1.4)."""
    prototypes = [towers.texts(word_class(label, templates)).mean(axis=0) for label in classes]
    return unit(np.stack(prototypes))


def unit(vectors: Floats) -> Floats:
    """Scale vectors (N, D) to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12), np.float32)


def probabilities_of(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax of logits (N, C) in double precision."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities
