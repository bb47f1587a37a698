"""Who leaves the evidence, by rules fixed with the worklist. A rule that cannot be judged yet excludes nobody."""

from dataclasses import dataclass

from curation.estimates import Estimate
from curation.reader_study.detection import Detection
from curation.reader_study.over_time import Course
from curation.reading.recipe import ExclusionRule


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule held against one reader; `excluded` is None where too little was read to judge."""

    reader: str
    rule: str
    found: Estimate
    excluded: bool | None


def judge(rule: ExclusionRule, found: Detection, over_time: Course) -> list[Judged]:
    """Every rule that was set, held against one reader's point estimates."""
    least = {
        "sensitivity": (rule.min_sensitivity, found.sensitivity),
        "repeats read alike": (rule.min_repeat_agreement, over_time.repeats_alike),
        "median time in s": (None if rule.min_median_ms is None else rule.min_median_ms / 1000, over_time.median_s),
    }
    judged = [
        Judged(found.reader, f"{name} at least {limit:g}", value, None if value.value is None else value.value < limit)
        for name, (limit, value) in least.items()
        if limit is not None
    ]
    most, rejects = rule.max_false_rejects, found.false_rejects
    if most is not None:
        excluded = None if rejects.value is None else rejects.value > most
        judged.append(Judged(found.reader, f"real images rejected at most {most:g}", rejects, excluded))
    return judged
