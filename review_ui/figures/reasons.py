"""Why readers reject: reasons by class, and the newest rejects by reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from curation.models.reading import Verdict
from review_ui.figures.proportions import Proportion, proportion
from review_ui.figures.readings import GivenReading


@dataclass(frozen=True, slots=True)
class ReasonByClass:
    """How often a class was rejected for a reason, of all readings of that class."""

    reason: str
    label: str
    share: Proportion


def reasons_by_class(rows: Sequence[GivenReading], texts: dict[str, str]) -> list[ReasonByClass]:
    """Every reason that was given with every class that was read; the most frequent reason first."""
    read = Counter(row.label for row in rows)
    given = Counter((code, row.label) for row in rows if row.verdict is Verdict.REJECT for code in set(row.reasons))
    totals: Counter[str] = Counter()
    for (code, _), count in given.items():
        totals[code] += count
    ranked = sorted(totals, key=lambda code: (-totals[code], code))
    return [
        ReasonByClass(texts.get(code, code), label, proportion(label, given[code, label], n))
        for code in ranked
        for label, n in sorted(read.items())
    ]


def recent_rejects(rows: Sequence[GivenReading], code: str | None, limit: int) -> list[GivenReading]:
    """The newest rejects, of one reason or of any."""
    rejects = [row for row in rows if row.verdict is Verdict.REJECT and (code is None or code in row.reasons)]
    return sorted(rejects, key=lambda row: -row.id)[:limit]
