"""Fit and apply all checks but copies and duplicates: references on training, limits on validation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curation.estimates import rounded_interval
from screening.checks.artefacts import Range, fit_ranges
from screening.checks.check import Check, Unset, worst
from screening.checks.distances import K, LevelsDistance, ManifoldDistance, SpectrumDistance
from screening.checks.label_agreement import LabelProbe, Reliability, fit_label_probe
from screening.checks.limits import (
    APPEARANCE_TAIL,
    LABEL_TAIL,
    MANIFOLD_TAIL,
    NO_VALUE,
    Limit,
    fit_limit,
    folds,
)
from screening.features.descriptors import Descriptors
from screening.features.technical import MEASURES

Floats = NDArray[np.floating[Any]]

# Each with the share of real images it may flag, and whether it is high values that are strange.
LIMITED: dict[str, tuple[float, bool]] = {
    "power_spectrum": (APPEARANCE_TAIL, True),
    "intensity_histogram": (APPEARANCE_TAIL, True),
    "manifold": (MANIFOLD_TAIL, True),
    "label_agreement": (LABEL_TAIL, False),
}
CHECKS = (*MEASURES, *LIMITED)
QUANTILES = 21  # kept of what held-out real images measure: 0, 5, ... 100 %


@dataclass(frozen=True)
class References:
    """The parts that measure an image, fitted on training images alone."""

    ranges: dict[str, Range | Unset]
    spectrum: SpectrumDistance | None
    levels: LevelsDistance | None
    manifold: ManifoldDistance
    probe: LabelProbe | Unset

    @classmethod
    def fit(cls, train: Descriptors, subjects: Sequence[int]) -> Self:
        """Fit every part; where there are too few images it is None or `Unset`."""
        enough = len(train.labels) > K
        return cls(
            fit_ranges(train.measures),
            SpectrumDistance.fit(train.spectra) if enough else None,
            LevelsDistance.fit(train.levels) if enough else None,
            ManifoldDistance.fit(train.features, train.labels),
            fit_label_probe(train.features, train.labels, subjects),
        )

    def values(self, descriptors: Descriptors) -> dict[str, Floats]:
        """Measure images: (N,) values by check of `CHECKS`; NaN where there is nothing to measure against."""
        unknown = np.full(len(descriptors.labels), np.nan)
        values: dict[str, Floats] = {name: descriptors.measures[:, column] for column, name in enumerate(MEASURES)}
        values["power_spectrum"] = self.spectrum(descriptors.spectra) if self.spectrum else unknown
        values["intensity_histogram"] = self.levels(descriptors.levels) if self.levels else unknown
        values["manifold"] = self.manifold(descriptors.features, descriptors.labels)
        known = isinstance(self.probe, LabelProbe)
        values["label_agreement"] = self.probe.of_asked(descriptors.features, descriptors.labels) if known else unknown
        return values


@dataclass(frozen=True)
class Thresholds:
    """The range or limit of each check, by its name."""

    by_name: dict[str, Range | Limit | Unset]

    @classmethod
    def fit(cls, ranges: Mapping[str, Range | Unset], held_out: Mapping[str, Floats]) -> Self:
        """Take ranges as they are, and limits from the values of held-out real images."""
        limits = {name: fit_limit(held_out[name], *settings) for name, settings in LIMITED.items()}
        return cls({**ranges, **limits})

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


def false_flags(
    ranges: Mapping[str, Range | Unset],
    held_out: Mapping[str, Floats],
    descriptors: Descriptors,
    subjects: Sequence[int],
) -> dict[str, Any]:
    """Count the real validation images that the checks flag or block, each under limits of other subjects.

    `any` is the image flagged by one check or more: the family-wise rate.
    """
    by_check: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for checks in judged_by_others(ranges, held_out, descriptors.labels, subjects):
        by_check.update(check.name for check in checks if check.verdict != "pass")
        verdicts[worst(checks)] += 1
    n = len(descriptors.labels)
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
        limits = {name: fit_limit(others[name], *LIMITED[name], least=1) for name in LIMITED}
        # A limit that all of them together are too few for is not set for a part of them either.
        unset = {name: threshold for name, threshold in whole.by_name.items() if isinstance(threshold, Unset)}
        parts.append((Thresholds({**ranges, **limits, **unset}), np.flatnonzero(fold_of == fold)))
    return parts


def judged_by_others(
    ranges: Mapping[str, Range | Unset],
    held_out: Mapping[str, Floats],
    labels: Sequence[str | None],
    subjects: Sequence[int],
) -> list[list[Check]]:
    """Check each held-out image under limits that no image of its subject set."""
    checks_by_row: list[list[Check]] = [[] for _ in labels]
    for thresholds, rows in thresholds_without(ranges, held_out, subjects):
        values_of_fold = {name: values[rows] for name, values in held_out.items()}
        for row, checks in zip(rows, thresholds.judge(values_of_fold, [labels[row] for row in rows]), strict=True):
            checks_by_row[row] = checks
    return checks_by_row


def distribution(values: Floats) -> dict[str, Any]:
    """21 quantiles of held-out real values, which a plot shows behind those of a batch."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"n": 0, "quantiles": []}
    quantiles = np.quantile(known, np.linspace(0, 1, QUANTILES))
    return {"n": len(known), "quantiles": [float(f"{quantile:.5g}") for quantile in quantiles]}


def probe_as_json(references: References, validation: Descriptors) -> dict[str, Any]:
    """The label probe's accuracy and calibration, for the saved parameters of a screening."""
    if isinstance(references.probe, Unset):
        return references.probe.as_json()
    on_validation: Reliability | None = references.probe.reliability(validation.features, validation.labels)
    return {
        "classes": references.probe.classes,
        "strength": references.probe.strength,
        "cross_validated": references.probe.cross_validated.as_json(),
        "on_validation": on_validation.as_json() if on_validation else None,
    }
