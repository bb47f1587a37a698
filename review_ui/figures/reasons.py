"""Why readers reject: reasons by class, and the newest rejects by reason."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curation.estimates import Estimate, proportion_over_images
from curation.tables.reading import Verdict
from review_ui.figures.readings import GivenReading


@dataclass(frozen=True, slots=True)
class ReasonByClass:
    """How often a class was rejected for a reason, of all readings of that class."""

    reason: str
    label: str
    share: Estimate


def reasons_by_class(rows: Sequence[GivenReading], texts: dict[str, str]) -> list[ReasonByClass]:
    """The share of each reason in each class that was read; the most frequent reason first."""
    read: dict[str, list[GivenReading]] = {}
    for row in rows:
        read.setdefault(row.label, []).append(row)
    totals = Counter(code for row in rows if row.verdict is Verdict.REJECT for code in set(row.reasons))
    ranked = sorted(totals, key=lambda code: (-totals[code], code))
    return [
        ReasonByClass(texts.get(code, code), label, proportion_over_images(readings, _rejected_for(code), _image))
        for code in ranked
        for label, readings in sorted(read.items())
    ]


def _rejected_for(code: str) -> Callable[[GivenReading], bool]:
    return lambda row: row.verdict is Verdict.REJECT and code in row.reasons


def _image(row: GivenReading) -> int:
    return row.image_id


def recent_rejects(rows: Sequence[GivenReading], code: str | None, limit: int) -> list[GivenReading]:
    """The newest rejects, of one reason or of any."""
    rejects = [row for row in rows if row.verdict is Verdict.REJECT and (code is None or code in row.reasons)]
    return sorted(rejects, key=lambda row: -row.id)[:limit]
