"""The guard of a study's claim: every reason why its result does not support that curation helped."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from train.evaluation.intervals import low_at
from train.study.plan import ReportFacts

SIMULATED = "SIMULATED"
CLAIMED_ARM = "plus_approved"
FEWEST_REPLICATES = 5
LEAST_CONFIDENCE = 0.95


def reasons_against_a_claim(result: dict[str, Any], facts: ReportFacts) -> list[str]:
    """List every reason why this study does not support the claim of a gain."""
    checks = _of_the_difference(result) | _of_the_data(result, facts) | _of_the_plan(result)
    return [reason for reason, holds in checks.items() if holds]


def _of_the_difference(result: dict[str, Any]) -> dict[str, bool]:
    """Whether the primary arm is above every arm that it must beat, also at the share this opening has of the error."""
    plan = result["plan"]
    difference = result["arms"][plan["primary"]]["differences"][plan["metric"]]
    against = result.get("against") or {}
    earlier = result.get("earlier_openings", 0)
    confidence = 1 - (1 - plan["confidence"]) / (1 + earlier)
    compared = [difference, *against.values()]
    stands = all(interval["low"] > 0 for interval in compared)
    return {
        "its interval is not finite": not all(_is_finite(interval) for interval in compared),
        "the interval includes 0": difference["low"] <= 0 <= difference["high"],
        "the difference is a loss": difference["high"] < 0,
        **{
            f"it is not above {arm} ({interval['value']:+.3f}, {interval['low']:+.3f} to {interval['high']:+.3f})": (
                not interval["low"] > 0
            )
            for arm, interval in against.items()
        },
        f"the test split was opened {earlier} times before, and at the share of the error that is left"
        f" ({confidence:.1%} intervals) no gain is left": (
            bool(earlier) and stands and not all(low_at(interval, confidence) > 0 for interval in compared)
        ),
        "without the images that look like training images no gain is left": not _gains_without_near_copies(result),
    }


def _is_finite(interval: Mapping[str, float]) -> bool:
    return all(isfinite(interval[bound]) for bound in ("value", "low", "high"))


def _of_the_data(result: dict[str, Any], facts: ReportFacts) -> dict[str, bool]:
    """Whether people read the images of known subjects whose provenance is known."""
    readings = result["arms"][result["plan"]["primary"]]["readings"]
    proxy_readings = max(facts.proxy_readings, readings.get("proxy", 0))
    grid_readings = max(facts.grid_readings, readings.get("grid", 0))
    return {
        "subjects are unknown, so the interval is image-level": result["resampled"] != "subject",
        f"the data are {SIMULATED}": SIMULATED in (result["notice"] or ""),
        "no person has read the images": facts.human_readings == 0,
        "some readings are by proxy readers (models), not people": proxy_readings > 0,
        "some verdicts were given for whole pages of a grid": grid_readings > 0,
        "some approvals rest on readers whom their worklist's rules exclude": (
            readings.get("images_on_excluded_readers", 0) > 0
        ),
        f"the provenance of {', '.join(result['unknown_provenance'])} is unknown": bool(result["unknown_provenance"]),
        "an arm or the backbone descends from a withdrawn subject": bool(result.get("affected")),
    }


def _of_the_plan(result: dict[str, Any]) -> dict[str, bool]:
    """Whether the plan could have shown a gain of curation."""
    plan = result["plan"]
    replicates, fewest = len(plan["seeds"]), plan.get("least_per_class", 20)
    rivals = [arm for arm in ("plus_random", "plus_duplicated_real") if arm != plan["primary"]]
    missing = [arm for arm in rivals if arm not in (result.get("against") or {})]
    few = [f"{count} of {name}" for name, count in result.get("units_per_class", {}).items() if count < fewest]
    return {
        "the comparison is on the validation split, which is also used to choose": plan["split"] != "test",
        f"its primary arm is {plan['primary']}, not {CLAIMED_ARM}": plan["primary"] != CLAIMED_ARM,
        f"it does not compare with {' and '.join(missing)}": bool(missing),
        f"{replicates} replicates are fewer than {FEWEST_REPLICATES}": replicates < FEWEST_REPLICATES,
        "its replicates vary the optimiser alone, and drew neither training subjects nor synthetic images anew": (
            plan.get("redraw", "none") == "none"
        ),
        f"its intervals are of {plan['confidence']:.0%}, below {LEAST_CONFIDENCE:.0%}": (
            plan["confidence"] < LEAST_CONFIDENCE
        ),
        f"it has too few held-out {result['resampled']}s of a class ({', '.join(few)}; {fewest} needed)": bool(few),
    }


def _gains_without_near_copies(result: dict[str, Any]) -> bool:
    """Whether the difference stays above 0 without the near copies; also where there are none or nobody searched."""
    others, plan = result.get("without_near_copies"), result["plan"]
    if not others:
        return True
    arm = others["arms"].get(plan["primary"])
    return bool(arm) and arm["differences"][plan["metric"]]["low"] > 0
