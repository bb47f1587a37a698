"""The sums of a run with the rows behind them, in one file that is written whole or not at all.

One file, so that rows and sums never part: a withdrawal that was killed finds a subject in both or in neither. Loading
executes nothing: numbers as safetensors, the rest as JSON in its header. Torch-free.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curation.errors import Damaged
from train.sums.files import read_tensors, write_tensors
from train.sums.leave_out import choose_by_subjects
from train.sums.private_sums import standardisation
from train.sums.rows import Rows
from train.sums.solve import Head, Spectrum, solve
from train.sums.sums import Floats, Sums

KEPT_SUMS = "sums.safetensors"
FORMAT = "rounds-kept-sums/1"


@dataclass(frozen=True, slots=True, eq=False)
class KeptSums:
    """The sums over training rows, those over validation rows, and the rows.

    Sums of other sites have no training rows here. Private ones are standardised by validation, as they were released.
    """

    train: Sums
    validation: Sums
    rows: Rows
    private: bool = False

    @classmethod
    def over(cls, rows: Rows, classes: Sequence[str]) -> Self:
        """Sum rows."""
        return cls(rows.of_split("train").sums(classes), rows.of_split("validation").sums(classes), rows)

    def plus(self, rows: Rows, classes: Sequence[str]) -> tuple[Self, int]:
        """Add the rows that are not in yet; also return how many were left out because they are."""
        new = rows.new_to(self.rows)
        added = type(self).over(new, classes)
        train, validation = self.train + added.train, self.validation + added.validation
        return type(self)(train, validation, self.rows.joined(new)), len(rows) - len(new)

    def without(self, leaving: NDArray[np.bool_]) -> Self:
        """Subtract the rows where `leaving` (N,) is true, and forget them."""
        removed = type(self).over(self.rows.chosen(leaving), self.train.classes)
        train, validation = self.train - removed.train, self.validation - removed.validation
        return replace(self, train=train, validation=validation, rows=self.rows.chosen(~leaving))

    def solve(self, prior: Floats, penalty: float | None = None) -> tuple[Head, str]:
        """Solve for the head, and say by what the penalty was chosen."""
        scale = standardisation(self.validation)[1] if self.private else None
        if penalty is not None:
            return solve(self.train, self.validation, prior, penalty, scale), "given"
        if self.validation.total > 0:
            return solve(self.train, self.validation, prior, scale=scale), "validation"
        spectrum = Spectrum.of(self.train)
        chosen = choose_by_subjects(self.rows.of_split("train"), self.train, spectrum)
        return solve(self.train, None, prior, chosen), "leaving out each subject"

    def write(self, path: Path) -> None:
        """Write the file."""
        tensors: dict[str, NDArray[Any]] = {
            "train_gram": self.train.gram,
            "train_cross": self.train.cross,
            "validation_gram": self.validation.gram,
            "validation_cross": self.validation.cross,
            "features": self.rows.features,
            "weights": self.rows.weights,
        }
        about: dict[str, Any] = {"format": FORMAT, "classes": list(self.train.classes), "private": self.private}
        about["images"] = self.rows.as_columns()
        write_tensors(path, tensors, about)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; raises NotFound without it, Damaged for another."""
        about, tensors = read_tensors(path, FORMAT)
        try:
            classes = tuple(about["classes"])
            train = Sums(tensors["train_gram"], tensors["train_cross"], classes)
            validation = Sums(tensors["validation_gram"], tensors["validation_cross"], classes)
            rows = Rows.from_columns(about["images"], tensors["features"], tensors["weights"])
            return cls(train, validation, rows, bool(about["private"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(
                f"{path}: expected the sums of a run, got a file without {error}. Train the run again."
            ) from error

    def with_classes(self, classes: Sequence[str]) -> Self:
        """Order the columns as `classes` says."""
        return replace(self, train=self.train.with_classes(classes), validation=self.validation.with_classes(classes))
