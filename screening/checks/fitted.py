"""Fit and apply all checks but copies and duplicates: references on training, limits on validation."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from curation.estimates import rounded_interval
from screening.checks.artefacts import Range, fit_ranges
from screening.checks.check import Check, Unset, worst
from screening.checks.distances import LevelsDistance, ManifoldDistance, SpectrumDistance
from screening.checks.label_agreement import LabelProbe
from screening.checks.limits import LEAST_HELD_OUT, NO_VALUE, Limit, fit_limit, folds
from screening.features.descriptors import Descriptors, Floats
from screening.features.technical import MEASURES


class Fitted(Protocol):
    """What a check has learnt of training images."""

    def values(self, images: Descriptors) -> Floats:
        """Measure images: (N,) values; NaN where there is nothing to measure against."""


class FittedCheck(NamedTuple):
    """How a fitted check is fitted, and where its limit lies."""

    tail: float  # the share of real images that it may flag
    above: bool  # high values are strange, or else low ones
    fit: Callable[[Descriptors, Sequence[int]], Fitted | Unset]  # to training images and their subjects


# A new check is a file beside this one, a row here and its words in `curation/check_names.py`. All rows together with
# the technical ranges may flag 6 % of real images. A label probe of a few hundred images knows little: a smaller share
# would leave it blind.
FITTED_CHECKS = {
    "power_spectrum": FittedCheck(0.003, True, SpectrumDistance.fit),
    "intensity_histogram": FittedCheck(0.003, True, LevelsDistance.fit),
    "manifold": FittedCheck(0.01, True, ManifoldDistance.fit),
    "label_agreement": FittedCheck(0.02, False, LabelProbe.fit),
}
CHECKS = (*MEASURES, *FITTED_CHECKS)
QUANTILES = 21  # kept of what held-out real images measure: 0, 5, ... 100 %


@dataclass(frozen=True)
class References:
    """The parts that measure an image, fitted on training images alone."""

    ranges: dict[str, Range | Unset]
    fitted: dict[str, Fitted | Unset]

    @classmethod
    def fit(cls, train: Descriptors, subjects: Sequence[int]) -> Self:
        """Fit every part; where there are too few images it is `Unset`."""
        return cls(
            fit_ranges(train.measures), {name: check.fit(train, subjects) for name, check in FITTED_CHECKS.items()}
        )

    def values(self, images: Descriptors) -> dict[str, Floats]:
        """Measure images: (N,) values by check of `CHECKS`; NaN where there is nothing to measure against."""
        unknown = np.full(len(images.labels), np.nan)
        return {name: images.measures[:, column] for column, name in enumerate(MEASURES)} | {
            name: unknown if isinstance(fitted, Unset) else fitted.values(images)
            for name, fitted in self.fitted.items()
        }

    def probe_as_json(self, validation: Descriptors) -> dict[str, Any]:
        """The label probe's accuracy and calibration, for the saved parameters of a screening."""
        probe = self.fitted["label_agreement"]
        return probe.as_json(validation) if isinstance(probe, LabelProbe) else probe.as_json()


@dataclass(frozen=True)
class Thresholds:
    """The range or limit of each check, by its name."""

    by_name: dict[str, Range | Limit | Unset]

    @classmethod
    def fit(cls, ranges: Mapping[str, Range | Unset], held_out: Mapping[str, Floats]) -> Self:
        """Take ranges as they are, and limits from the values of held-out real images."""
        return cls({**ranges, **_limits(held_out, LEAST_HELD_OUT)})

    def judge(self, values: Mapping[str, Floats], labels: Sequence[str | None]) -> list[list[Check]]:
        """Check each image by its values; checks are in the order of `CHECKS`."""
        columns = [values[name].tolist() for name in CHECKS]
        return [
            [self._check(name, value, label) for name, value in zip(CHECKS, row, strict=True)]
            for *row, label in zip(*columns, labels, strict=True)
        ]

    def _check(self, name: str, value: float, label: str | None) -> Check:
        threshold = self.by_name[name]
        if np.isnan(value):
            if not isinstance(threshold, Unset):
                threshold = Unset(f"too few real training images of {label}" if label else "no one class was asked for")
            return Check(name, NO_VALUE, str(threshold)[:100], threshold.verdict(NO_VALUE))
        return Check(name, value, str(threshold)[:100], threshold.verdict(value))


def _limits(held_out: Mapping[str, Floats], least: int) -> dict[str, Limit | Unset]:
    return {name: fit_limit(held_out[name], row.tail, row.above, least) for name, row in FITTED_CHECKS.items()}


def false_flags(
    ranges: Mapping[str, Range | Unset],
    held_out: Mapping[str, Floats],
    labels: Sequence[str | None],
    subjects: Sequence[int],
) -> dict[str, Any]:
    """Count the real validation images that the checks flag or block, each under limits of other subjects.

    `any` is the image flagged by one check or more: the family-wise rate.
    """
    by_check: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    by_fold = thresholds_without(ranges, held_out, subjects)
    for checks in judge_by_fold(by_fold, held_out, labels, range(len(labels))):
        by_check.update(check.name for check in checks if check.verdict != "pass")
        verdicts[worst(checks)] += 1
    n = len(labels)
    flagged = verdicts["flag"] + verdicts["block"]
    return {
        "measured_on": n,
        "any": flagged,
        "any_95": rounded_interval(flagged, n),
        "blocked": verdicts["block"],
        "by_check": {name: by_check[name] for name in CHECKS},
    }


def thresholds_without(
    ranges: Mapping[str, Range | Unset], held_out: Mapping[str, Floats], subjects: Sequence[int]
) -> list[tuple[Thresholds, NDArray[np.int64]]]:
    """For each tenth of the held-out subjects, the thresholds that the others set, and the positions of its images."""
    fold_of = folds(subjects)
    whole = Thresholds.fit(ranges, held_out)
    parts = []
    for fold in sorted(set(fold_of.tolist())):
        others = {name: values[fold_of != fold] for name, values in held_out.items()}
        # A limit that all of them together are too few for is not set for a part of them either.
        unset = {name: threshold for name, threshold in whole.by_name.items() if isinstance(threshold, Unset)}
        parts.append((Thresholds({**ranges, **_limits(others, 1), **unset}), np.flatnonzero(fold_of == fold)))
    return parts


def judge_by_fold(
    by_fold: Sequence[tuple[Thresholds, NDArray[np.int64]]],
    values: Mapping[str, Floats],
    labels: Sequence[str | None],
    rows: Sequence[int],
) -> list[list[Check]]:
    """Check held-out images `rows`, changed or not, each under the limits that other subjects set."""
    place = {row: position for position, row in enumerate(rows)}
    checks_by_row: list[list[Check]] = [[] for _ in rows]
    for thresholds, members in by_fold:
        positions = [place[row] for row in members.tolist() if row in place]
        values_of_fold = {name: column[positions] for name, column in values.items()}
        judged = thresholds.judge(values_of_fold, [labels[position] for position in positions])
        for position, checks in zip(positions, judged, strict=True):
            checks_by_row[position] = checks
    return checks_by_row


def distribution(values: Floats) -> dict[str, Any]:
    """21 quantiles of held-out real values, which a plot shows behind those of a batch."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"n": 0, "quantiles": []}
    quantiles = np.quantile(known, np.linspace(0, 1, QUANTILES))
    return {"n": len(known), "quantiles": [float(f"{quantile:.5g}") for quantile in quantiles]}
