"""Exclude readers from the evidence by rules fixed with the worklist, before anyone reads."""

from dataclasses import dataclass

from curation.estimates import Estimate
from curation.reader_study.detection import Detection
from curation.reader_study.over_time import ReadingOverTime
from curation.reading.recipe import ExclusionRule


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule applied to a reader; `excluded` is None where too little was read to decide."""

    reader: str
    rule: str
    found: Estimate
    excluded: bool | None


def apply_exclusion_rule(rule: ExclusionRule, detected: Detection, over_time: ReadingOverTime) -> list[AppliedRule]:
    """Apply every limit that was set to one reader's point estimates; one without an estimate excludes nobody."""
    least = {
        "sensitivity": (rule.min_sensitivity, detected.sensitivity),
        "repeats read alike": (rule.min_repeat_agreement, over_time.repeats_alike),
        "median time in s": (None if rule.min_median_ms is None else rule.min_median_ms / 1000, over_time.median_s),
    }
    applied = [
        AppliedRule(
            detected.reader, f"{name} at least {limit:g}", value, None if value.value is None else value.value < limit
        )
        for name, (limit, value) in least.items()
        if limit is not None
    ]
    most, rejects = rule.max_false_rejects, detected.false_rejects
    if most is not None:
        excluded = None if rejects.value is None else rejects.value > most
        applied.append(AppliedRule(detected.reader, f"real images rejected at most {most:g}", rejects, excluded))
    return applied
