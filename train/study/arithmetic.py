"""Measure the arms of a study under the same resamples of the held-out subjects, and compare them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.evaluation.intervals import SeedInterval, draw_bootstrap_weights, halves_interval, seed_interval
from train.evaluation.metrics import LARGEST_VALUES, METRICS, metric_value
from train.study.plan import StudyPlan

Floats = NDArray[np.float64]
Scores = dict[str, tuple[Floats, Floats]]  # by metric: a value per replicate (S,), their mean under each resample


@dataclass(frozen=True)
class Comparison:
    """The held-out images of a study, and how its replicates differ."""

    plan: StudyPlan
    labels: NDArray[np.int64]  # (N,)
    units: NDArray[np.int64]  # (N,) what is resampled
    n_drawn: int  # units that the training images of the reference come in

    def measure(self, probabilities: Mapping[str, list[Floats]]) -> dict[str, dict[str, Any]]:
        """Compute each arm's values per replicate, its metrics, and its differences to the reference."""
        scores = self._scores(probabilities)
        reference = self.plan.reference
        return {
            arm: {
                "per_seed": {metric: values.tolist() for metric, (values, _) in scores[arm].items()},
                "metrics": self._intervals(scores[arm], None),
                "differences": None if arm == reference else self._intervals(scores[arm], scores[reference]),
            }
            for arm in self.plan.arms
        }

    def against(self, probabilities: Mapping[str, list[Floats]]) -> dict[str, SeedInterval]:
        """Compute the plan's metric of the primary arm less each of the other arms that a gain must beat."""
        rivals = [arm for arm in self.plan.rivals if arm in probabilities]
        primary = self.plan.primary_arm
        scores = self._scores({arm: probabilities[arm] for arm in (primary, *rivals)})
        return {arm: self._intervals(scores[primary], scores[arm])[self.plan.metric] for arm in rivals}

    def _scores(self, probabilities: Mapping[str, list[Floats]]) -> dict[str, Scores]:
        weights = draw_bootstrap_weights(self.units, self.plan.n_bootstrap, seed=0)
        return {arm: self._score(runs, weights) for arm, runs in probabilities.items()}

    def _score(self, runs: list[Floats], weights: Floats) -> Scores:
        scores = {}
        for name, metric in METRICS.items():
            values = np.array([metric_value(name, probabilities, self.labels) for probabilities in runs])
            resampled = np.mean([metric(probabilities, self.labels, weights) for probabilities in runs], axis=0)
            scores[name] = (values, resampled)
        return scores

    def _intervals(self, scores: Scores, reference: Scores | None) -> dict[str, SeedInterval]:
        """Compute intervals of an arm's metrics, or of differences paired by replicate and resample."""
        intervals = {}
        for name, (values, resampled) in scores.items():
            limits = (0.0, LARGEST_VALUES[name])
            if reference is not None:
                values, resampled = values - reference[name][0], resampled - reference[name][1]
                limits = (-LARGEST_VALUES[name], LARGEST_VALUES[name])
            intervals[name] = self._interval(values, resampled, limits)
        return intervals

    def _interval(self, values: Floats, resampled: Floats, limits: tuple[float, float]) -> SeedInterval:
        n_units, confidence = int(self.units.max()) + 1, self.plan.confidence
        if self.plan.redraw == "halves":
            return halves_interval(values, resampled, n_units, self.n_drawn, confidence, limits)
        return seed_interval(values, resampled, n_units, confidence, limits)
