"""Compare what the contestants predicted: a row each, with intervals over held-out subjects and seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from train.bakeoff.bake import ContestantOutcome
from train.bakeoff.bench import BakeoffBench
from train.bakeoff.plan import BakeoffPlan
from train.evaluation.intervals import choose_resampling_units, draw_bootstrap_weights, seed_interval
from train.evaluation.metrics import LARGEST_VALUES, METRICS, metric_value

MEASURES = ("auroc", "balanced_accuracy")


def compare(bench: BakeoffBench, plan: BakeoffPlan, outcomes: Sequence[ContestantOutcome]) -> dict[str, Any]:
    """Give the row of every contestant, and what all rows rest on, as plain values."""
    resampled, units = choose_resampling_units(bench.rows, bench.folder.subjects)
    weights = draw_bootstrap_weights(units, plan.n_bootstrap, seed=0)
    n_units = int(units.max()) + 1
    backbone = bench.backbone(plan.backbone)
    return {
        "snapshot": bench.folder.name,
        "snapshot_digest": bench.folder.digest,
        "notice": bench.folder.notice,
        "split": bench.split,
        "n_train": len(bench.folder.rows("train")),
        "n_images": len(bench.rows),
        "n_units": n_units,
        "resampled": resampled,
        "confidence": plan.confidence,
        "backbone": {"name": backbone.name, "digest": backbone.digest},
        "plan": plan.model_dump(mode="json"),
        "affected": bench.affected,
        "contestants": [_row(bench, plan, outcome, weights, n_units) for outcome in outcomes],
    }


def _row(
    bench: BakeoffBench, plan: BakeoffPlan, outcome: ContestantOutcome, weights: np.ndarray[Any, Any], n_units: int
) -> dict[str, Any]:
    contestant = outcome.contestant
    row: dict[str, Any] = {"name": contestant.name, "method": contestant.method, "tries": outcome.tries}
    if contestant.config.backbone != plan.backbone:
        row["backbone"] = contestant.config.backbone
    if outcome.failed:
        return row | {"failed": outcome.failed}
    runs = [run for run in outcome.runs if run.probabilities is not None]
    intervals = {name: _interval(bench, plan, name, outcome, weights, n_units) for name in MEASURES}
    facts = runs[0].facts
    share = facts["trainable"] / facts["total"] if not contestant.control or contestant.control.has_share else None
    steps = [run.facts["step_s"] for run in runs if "step_s" in run.facts]
    return row | intervals | {
        "trainable": facts["trainable"],
        "total": facts["total"],
        "share": share,
        "extra_bytes": facts.get("extra_bytes"),
        "steps": facts["steps"],
        "batch_size": contestant.config.batch_size if facts["steps"] else None,
        "rate_factor": facts["rate_factor"],
        "seeds": len(runs),
        "step_s": float(np.median(steps)) if steps else None,
        "seconds": float(np.mean([run.facts["seconds"] for run in runs])),
    }  # fmt: skip


def _interval(
    bench: BakeoffBench,
    plan: BakeoffPlan,
    measure: str,
    outcome: ContestantOutcome,
    weights: np.ndarray[Any, Any],
    n_units: int,
) -> dict[str, float]:
    """The mean over seeds with its interval over seeds and held-out subjects, as studies have it."""
    runs = [run.probabilities for run in outcome.runs if run.probabilities is not None]
    per_seed = np.array([metric_value(measure, run, bench.labels) for run in runs])
    resampled = np.mean([METRICS[measure](run, bench.labels, weights) for run in runs], axis=0)
    estimate = seed_interval(per_seed, resampled, n_units, plan.confidence, (0.0, LARGEST_VALUES[measure]))
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "seed_variance": estimate.seed_variance,
    }
