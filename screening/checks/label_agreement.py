"""The label probe: how likely an image shows the class asked for, by a backbone's features.

The probe is a logistic regression on training images; its strength and its temperature are chosen by cross-validation
over subjects. Its accuracy and its calibration error stand beside its probabilities.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from screening.checks.check import Saved, Unset
from screening.checks.distances import sample
from screening.features.descriptors import Descriptors
from screening.features.neighbours import Features
from screening.features.spread import is_constant

FOLDS = 5
LEAST_SUBJECTS = 20  # of a class
MOST_TRAINING = 20_000
COMPONENTS = 128
STRENGTHS = (0.001, 0.005, 0.02, 0.1)
BINS = 15

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Reliability(Saved):
    """Accuracy, and calibration error: L1, 15 equal-width bins of the top label's probability (Guo et al. 2017)."""

    n: int
    accuracy: float
    calibration_error: float
    bins: list[tuple[int, float, float]]  # images, mean probability, share right; empty bins left out

    @classmethod
    def of(cls, probabilities: Floats, classes: Sequence[str], labels: Sequence[str]) -> Self:
        """Compute it from probabilities (N, C) of images whose labels are known."""
        top = probabilities.max(axis=1)
        right = np.array(classes)[probabilities.argmax(axis=1)] == np.array(labels)
        place = np.clip((top * BINS).astype(int), 0, BINS - 1)
        bins = [
            (int(in_bin.sum()), round(float(top[in_bin].mean()), 4), round(float(right[in_bin].mean()), 4))
            for in_bin in (place == number for number in range(BINS))
            if in_bin.any()
        ]
        total_error = sum(count * abs(predicted - right_share) for count, predicted, right_share in bins)
        return cls(len(top), round(float(right.mean()), 4), round(total_error / max(len(top), 1), 4), bins)


@dataclass(frozen=True)
class LabelProbe:
    """A fitted probe with its reliability, cross-validated over training subjects."""

    classes: list[str]
    reduce: Pipeline
    probe: CalibratedClassifierCV
    strength: float
    cross_validated: Reliability

    def probabilities(self, features: Features) -> Floats:
        """(N, C) probabilities in the order of `classes`."""
        if not len(features):
            return np.zeros((0, len(self.classes)))
        probabilities: Floats = self.probe.predict_proba(self.reduce.transform(features))
        return probabilities

    @classmethod
    def fit(cls, train: Descriptors, subjects: Sequence[int]) -> "LabelProbe | Unset":
        """Fit on training images; `Unset` unless two classes have 20 subjects each. At most 20,000 images are used.

        The penalty is the one of least cross-validated log loss. Features are standardised and reduced to 128 principal
        components once, without labels.
        """
        features, labels = train.features, train.labels
        subjects_by_class: dict[str, set[int]] = {}
        for label, subject in zip(labels, subjects, strict=True):
            if label is not None:
                subjects_by_class.setdefault(label, set()).add(subject)
        classes = sorted(name for name, of_class in subjects_by_class.items() if len(of_class) >= LEAST_SUBJECTS)
        if len(classes) < 2:
            return Unset(f"{len(classes)} classes with {LEAST_SUBJECTS} real training subjects, two are needed")
        rows = np.array([row for row, label in enumerate(labels) if label in classes])
        rows = rows[sample(len(rows), MOST_TRAINING)]
        if is_constant(features[rows]).all():
            return Unset("the backbone gives every real training image the same features")
        wanted, groups = np.array([labels[row] for row in rows]), np.array(subjects)[rows]
        components = min(COMPONENTS, features.shape[1], len(rows) // 2)
        reduce = make_pipeline(StandardScaler(), PCA(components, random_state=0))
        reduced = reduce.fit_transform(features[rows])
        folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(reduced, wanted, groups))

        def probe(strength: float) -> LogisticRegression:
            return LogisticRegression(C=strength, solver="newton-cholesky")

        def loss(strength: float) -> float:
            predicted = cross_val_predict(probe(strength), reduced, wanted, cv=folds, method="predict_proba")
            return float(log_loss(wanted, predicted, labels=classes))

        strength = min(STRENGTHS, key=loss)
        calibrated = CalibratedClassifierCV(probe(strength), method="temperature", cv=folds, ensemble=False)
        cross_validated = _cross_validated(probe(strength), reduced, wanted, groups, folds, classes)
        return cls(classes, reduce, calibrated.fit(reduced, wanted), strength, cross_validated)

    def values(self, images: Descriptors) -> Floats:
        """(N,) probability of the class asked for; NaN where the probe does not know the class."""
        columns = {name: column for column, name in enumerate(self.classes)}
        rows = zip(self.probabilities(images.features), images.labels, strict=True)
        return np.array([row[columns[label]] if label in columns else np.nan for row, label in rows], np.float64)

    def reliability(self, images: Descriptors) -> Reliability | None:
        """Its reliability on images that it did not see; None when none is of its classes."""
        known = images.rows([row for row, label in enumerate(images.labels) if label in self.classes])
        if not known.labels:
            return None
        return Reliability.of(self.probabilities(known.features), self.classes, [str(label) for label in known.labels])

    def as_json(self, validation: Descriptors) -> dict[str, Any]:
        """Its accuracy and calibration, for the saved parameters of a screening."""
        on_validation = self.reliability(validation)
        return {
            "classes": self.classes,
            "strength": self.strength,
            "cross_validated": self.cross_validated.as_json(),
            "on_validation": on_validation.as_json() if on_validation else None,
        }


def _cross_validated(
    probe: LogisticRegression,
    reduced: Floats,
    wanted: NDArray[np.str_],
    groups: NDArray[np.int64],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    classes: Sequence[str],
) -> Reliability:
    """The reliability on each fold's images, under a probe and a temperature that saw no subject of it."""
    predicted = np.zeros((len(wanted), len(classes)))
    for seen, held_out in folds:
        inner = StratifiedGroupKFold(3, shuffle=True, random_state=0)
        splits = list(inner.split(reduced[seen], wanted[seen], groups[seen]))
        fitted = CalibratedClassifierCV(probe, method="temperature", cv=splits, ensemble=False)
        predicted[held_out] = fitted.fit(reduced[seen], wanted[seen]).predict_proba(reduced[held_out])
    return Reliability.of(predicted, classes, list(itertools.chain(wanted)))
