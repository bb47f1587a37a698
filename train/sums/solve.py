"""Solve sums for a linear head: ridge regression in closed form, and its scores brought to log odds.

Features are standardised by their deviation, which the sums hold, and the intercept bears no penalty. The penalty is
that with the least squared error on other sums, so nothing here needs an image.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from curation.errors import BadInput
from train.sums.sums import Floats, Sums

PENALTIES = tuple(float(penalty) for penalty in 10.0 ** np.arange(-3, 2.5, 0.5))
DEFAULT_PENALTY = 1.0
ROUNDING = 1e-6  # of the size of a feature: a deviation below it is that of rounding
STEEPEST = 1e3  # of the scores that separate the classes without an error


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear head: weight (C, D), bias (C,), the penalty, and which features do not vary."""

    weight: Floats
    bias: Floats
    penalty: float
    constant: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """The eigenvectors of the covariance of standardised features: every penalty is solved from them."""

    mean: Floats  # (D,)
    scale: Floats  # (D,)
    values: Floats  # (D,)
    vectors: Floats  # (D, D)
    projected: Floats  # (D, C): the covariance of features and classes, in the eigenvectors
    shares: Floats  # (C,): of the classes
    constant: int

    @classmethod
    def of(cls, sums: Sums, scale: Floats | None = None) -> Self:
        """Decompose sums; `scale` replaces the deviation of the features.

        Raises BadInput without images, and where no feature varies.
        """
        if sums.total <= 0:
            raise BadInput(
                f"expected the sums of one image or more, got those of {sums.total:.3g}. Nothing is learnt from it. "
                "If they are private, the noise is larger than the number of subjects: take a larger ε or more of them."
            )
        mean, shares = sums.gram[-1, :-1] / sums.total, sums.class_totals / sums.total
        covariance = sums.gram[:-1, :-1] / sums.total - np.outer(mean, mean)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0)) if scale is None else scale
        constant = deviation <= ROUNDING * (1 + np.abs(mean))
        if bool(constant.all()):
            raise BadInput(
                "the backbone gives all training images the same features, so nothing can be learnt. Choose another "
                "--backbone, or check that its preprocessing and the images are not blank."
            )
        deviation = np.where(constant, 1.0, deviation)
        values, vectors = np.linalg.eigh(covariance / np.outer(deviation, deviation))
        cross = (sums.cross[:-1] / sums.total - np.outer(mean, shares)) / deviation[:, None]
        return cls(mean, deviation, np.maximum(values, 0), vectors, vectors.T @ cross, shares, int(constant.sum()))

    def scores(self, penalty: float) -> Floats:
        """The map (D + 1, C) from features and a one to the score of each class."""
        weight = (self.vectors @ (self.projected / (self.values + penalty)[:, None])) / self.scale[:, None]
        return np.vstack([weight, self.shares - self.mean @ weight])


def squared_error(scores: Floats, sums: Sums) -> float:
    """The mean squared error of scores on the images of `sums`, summed over classes."""
    fitted = np.sum(scores * (sums.gram @ scores)) - 2 * np.sum(scores * sums.cross)
    return float((fitted + sums.class_totals.sum()) / sums.total)


def choose_penalty(spectrum: Spectrum, sums: Sums, penalties: tuple[float, ...] = PENALTIES) -> float:
    """Choose the penalty with the least squared error on `sums`, the largest of equal ones."""
    errors = {penalty: squared_error(spectrum.scores(penalty), sums) for penalty in penalties}
    return max(errors, key=lambda penalty: (-errors[penalty], penalty))


def log_odds(scores: Floats, sums: Sums, prior: Floats) -> tuple[float, Floats] | None:
    """Find the slope and the offset (C,) that bring scores to log odds; None where `sums` cannot say.

    Taken is that the scores of a class spread alike around its mean (linear discriminant analysis along each score).
    `prior` (C,) is how often each class is expected.
    """
    totals = sums.class_totals
    n_classes = len(totals)
    if (totals <= 1).any():
        return None
    means = (sums.cross.T @ scores) / totals[:, None]  # (class, score)
    spread = np.diag(scores.T @ sums.gram @ scores) / sums.total - (totals / sums.total) @ means**2
    own = np.diag(means)
    others = (means.sum(axis=0) - own) / (n_classes - 1)
    if (own - others).mean() <= 0:
        return None
    width = max(float(spread.mean()), 1e-12)
    slope = min((n_classes - 1) / n_classes * float((own - others).mean()) / width, STEEPEST)
    return slope, np.log(prior) - slope * (own + others) / 2


def solve(
    sums: Sums, validation: Sums | None, prior: Floats, penalty: float | None = None, scale: Floats | None = None
) -> Head:
    """Solve `sums` for a head whose outputs are log odds.

    Without a penalty the one that suits `validation` is taken. The slope is set on `validation` where it has two
    images or more of each class, else on the sums themselves, where it is too steep.
    """
    spectrum = Spectrum.of(sums, scale)
    measured = validation is not None and validation.total > 0
    if penalty is None:
        penalty = choose_penalty(spectrum, validation) if validation is not None and measured else DEFAULT_PENALTY
    scores = spectrum.scores(penalty)
    expected = prior / prior.sum()
    on_validation = log_odds(scores, validation, expected) if validation is not None and measured else None
    slope, offset = on_validation or log_odds(scores, sums, expected) or (1.0, np.log(expected))
    return Head((slope * scores[:-1]).T, slope * scores[-1] + offset, penalty, spectrum.constant)
