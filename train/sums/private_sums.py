"""Sums under noise: each subject adds a bounded part, and Gaussian noise covers it.

Features are standardised by validation images, which the guarantee does not cover, and z / √D is cut to the length
`clip`; a typical one has length 1. With a one beside it that has the share ONES of the squared length, x is at most
√((1 - ONES) clip² + ONES) long. A subject adds the *mean* over its images of x xᵀ and x yᵀ, however many there are.
Adjacent are sets that differ by one subject.
"""

import math

import numpy as np

from train.sums.rows import Rows
from train.sums.sums import Floats, Sums

ONES = 0.1  # large enough that noise leaves the number of subjects standing, small enough for the rest


def sensitivity(clip: float) -> float:
    """How long the part of one subject is at most: of G and B together, as one vector."""
    squared = (1 - ONES) * clip**2 + ONES
    return math.sqrt(squared**2 + squared)


def bounded_sums(rows: Rows, classes: tuple[str, ...], mean: Floats, scale: Floats, clip: float) -> Sums:
    """Sum the bounded part of each subject, in the scale of the clipped vectors."""
    standardised = (rows.features - mean) / scale / math.sqrt(len(mean))
    length = np.linalg.norm(standardised, axis=1, keepdims=True)
    standardised *= math.sqrt(1 - ONES) * np.minimum(1, clip / np.maximum(length, 1e-300))
    inputs = np.hstack([standardised, np.full((len(rows), 1), math.sqrt(ONES))])
    weights = np.empty(len(rows))
    for unit in rows.units():
        weights[unit] = 1 / len(unit)
    index = {name: place for place, name in enumerate(classes)}
    targets = np.eye(len(classes))[[index[image.label] for image in rows.images]]
    weighted = inputs * weights[:, None]
    return Sums(weighted.T @ inputs, weighted.T @ targets, classes)


def add_noise(sums: Sums, deviation: float, generator: np.random.Generator) -> Sums:
    """Add noise of this deviation along every direction of (G, B); G stays symmetric, so off its diagonal it halves."""
    upper = np.triu(generator.normal(0, deviation / math.sqrt(2), sums.gram.shape), 1)
    noise = upper + upper.T + np.diag(generator.normal(0, deviation, len(sums.gram)))
    return Sums(sums.gram + noise, sums.cross + generator.normal(0, deviation, sums.cross.shape), sums.classes)


def in_features(sums: Sums, mean: Floats, scale: Floats) -> Sums:
    """Bring sums over clipped vectors back to sums over [features, 1], which add up with those of other sites."""
    width = len(mean)
    stretch = np.append(scale * math.sqrt(width / (1 - ONES)), 1 / math.sqrt(ONES))
    gram, cross = sums.gram * np.outer(stretch, stretch), sums.cross * stretch[:, None]
    shift = np.append(mean, 0.0)  # what is added to a vector for each one in it
    gram = gram + np.outer(shift, gram[-1])
    gram = gram + np.outer(gram[:, -1], shift)
    return Sums((gram + gram.T) / 2, cross + np.outer(shift, cross[-1]), sums.classes)


def private_sums(rows: Rows, validation: Sums, mu: float, clip: float, generator: np.random.Generator) -> Sums:
    """Sum training rows under noise with this μ; raises BadInput without validation images."""
    mean, scale = standardisation(validation)
    bounded = bounded_sums(rows, validation.classes, mean, scale, clip)
    return in_features(add_noise(bounded, sensitivity(clip) / mu, generator), mean, scale)


def standardisation(validation: Sums) -> tuple[Floats, Floats]:
    """The mean and deviation (D,) of validation features; a feature that does not vary has deviation 1."""
    total = max(validation.total, 1e-300)
    mean = validation.gram[-1, :-1] / total
    scale = np.sqrt(np.maximum(np.diag(validation.gram)[:-1] / total - mean**2, 0))
    return mean, np.where(scale <= 1e-6 * (1 + np.abs(mean)), 1.0, scale)
