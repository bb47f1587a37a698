"""The sums that ridge regression on frozen features needs; they are added and subtracted.

With X = [features, 1] and Y = one-hot labels the sums are G = XᵀWX and B = XᵀWY. They hold the number of images, the
counts of classes and the mean of the features, too: the last row of G and of B. Torch-free.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput

Floats = NDArray[np.float64]
ROWS_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """G (D + 1, D + 1) and B (D + 1, C) in double precision, and the name of each class."""

    gram: Floats
    cross: Floats
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls, features: NDArray[np.floating], labels: NDArray[np.int64], weights: Floats, classes: Sequence[str]
    ) -> Self:
        """Sum over images: features (N, D), class indexes (N,) and weights (N,)."""
        width = features.shape[1] + 1
        gram, cross = np.zeros((width, width)), np.zeros((width, len(classes)))
        for start in range(0, len(labels), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            root = np.sqrt(np.asarray(weights[part], np.float64))[:, None]
            rows = np.hstack([np.asarray(features[part], np.float64), np.ones_like(root)]) * root
            gram += rows.T @ rows
            cross += rows.T @ (np.eye(len(classes))[labels[part]] * root)
        return cls(gram, cross, tuple(classes))

    @classmethod
    def nothing(cls, dimension: int, classes: Sequence[str]) -> Self:
        """The sums over no image."""
        return cls(np.zeros((dimension + 1, dimension + 1)), np.zeros((dimension + 1, len(classes))), tuple(classes))

    @property
    def dimension(self) -> int:
        """How many features an image has."""
        return len(self.gram) - 1

    @property
    def total(self) -> float:
        """The weights of all images together."""
        return float(self.gram[-1, -1])

    @property
    def class_totals(self) -> Floats:
        """The weights of the images of each class together (C,)."""
        totals: Floats = self.cross[-1]
        return totals

    def __add__(self, other: Self) -> Self:
        """Add the sums of other images; a class that is new becomes another column."""
        ours, theirs = self._aligned(other)
        return type(self)(ours.gram + theirs.gram, ours.cross + theirs.cross, ours.classes)

    def __sub__(self, other: Self) -> Self:
        """Take the sums of images out again; the classes stay."""
        ours, theirs = self._aligned(other)
        return type(self)(ours.gram - theirs.gram, ours.cross - theirs.cross, ours.classes)

    def with_classes(self, classes: Sequence[str]) -> Self:
        """Order the columns as `classes` says; a class that is not there yet has a column of zeros.

        Raises BadInput where a class with images would be lost.
        """
        lost = sorted(set(self.classes) - set(classes))
        if lost:
            raise BadInput(f"expected the classes {', '.join(self.classes)} to stay, got a list without {lost[0]!r}.")
        cross = np.zeros((len(self.gram), len(classes)))
        cross[:, [list(classes).index(name) for name in self.classes]] = self.cross
        return type(self)(self.gram, cross, tuple(classes))

    def _aligned(self, other: Self) -> tuple[Self, Self]:
        if self.dimension != other.dimension:
            raise BadInput(
                f"expected sums over {self.dimension} features, got sums over {other.dimension}: they are of another "
                "backbone. Add sums of one backbone only."
            )
        classes = (*self.classes, *sorted(set(other.classes) - set(self.classes)))
        return self.with_classes(classes), other.with_classes(classes)
