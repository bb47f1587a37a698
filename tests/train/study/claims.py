"""A result that supports a claim, for tests that take one thing from it."""

import json
from typing import Any


def interval(value: float, low: float, high: float) -> dict[str, float]:
    """An interval as results on a disk hold it."""
    variance = ((high - low) / 2 / 2.09) ** 2  # Student t of 20 degrees of freedom
    spread = {"seed_variance": variance / 2, "subject_variance": variance / 2, "degrees_of_freedom": 20.0}
    return {"value": value, "low": low, "high": high, **spread}


def clear_gain(result: dict[str, Any]) -> dict[str, Any]:
    """The same result, as if approved images had helped and the plan could show it."""
    changed: dict[str, Any] = json.loads(json.dumps(result))
    changed["plan"] |= {"seeds": list(range(6)), "redraw": "halves", "confidence": 0.95}
    changed["arms"]["plus_approved"]["differences"]["auroc"] = interval(0.05, 0.02, 0.08)
    changed["against"] = {arm: interval(0.04, 0.01, 0.07) for arm in ("plus_random", "plus_duplicated_real")}
    return changed | {"units_per_class": dict.fromkeys(changed["units_per_class"], 30), "earlier_openings": 0}
