"""Exclude readers from the evidence by rules fixed with the worklist, before anyone reads."""

from dataclasses import dataclass
from operator import gt, lt

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
    min_median_s = None if rule.min_median_ms is None else rule.min_median_ms / 1000
    limits = (
        ("sensitivity at least", lt, rule.min_sensitivity, detected.sensitivity),
        ("repeats read alike at least", lt, rule.min_repeat_agreement, over_time.repeats_alike),
        ("median time in s at least", lt, min_median_s, over_time.median_s),
        ("real images rejected at most", gt, rule.max_false_rejects, detected.false_rejects),
    )
    return [
        AppliedRule(detected.reader, f"{name} {limit:g}", at, None if at.value is None else breaks(at.value, limit))
        for name, breaks, limit, at in limits
        if limit is not None
    ]
