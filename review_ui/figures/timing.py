"""Time per image without idle time: the distribution, and each reader's median with its interval."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from curation.estimates import CONFIDENCE
from review_ui.figures.readings import GivenReading

EDGES_S = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class ReaderTime:
    """A reader's median seconds per image; the interval of order statistics is None below six images."""

    reader_id: int
    reader: str
    n: int
    median_s: float
    low_s: float | None
    high_s: float | None


def time_by_reader(rows: Sequence[GivenReading]) -> list[ReaderTime]:
    """Each reader's median time of single readings."""
    seconds: dict[tuple[int, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.net_s is not None:
            seconds[row.reader_id, row.reader].append(row.net_s)
    return [
        ReaderTime(reader_id, name, len(values), median(values), *median_interval(values))
        for (reader_id, name), values in sorted(seconds.items())
    ]


def median_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The exact, distribution-free 95 % interval of a median (Conover 1999, section 3.2)."""
    from scipy.stats import binom  # a second to import

    lower = int(binom.ppf((1 - CONFIDENCE) / 2, len(values), 0.5))
    if lower < 1:
        return None, None
    ranked = sorted(values)
    return ranked[lower - 1], ranked[len(values) - lower]


def time_histogram(rows: Sequence[GivenReading]) -> list[tuple[str, int]]:
    """Count readings by their time, in the bins of `EDGES_S` and one above."""
    seconds = [row.net_s for row in rows if row.net_s is not None]
    if not seconds:
        return []
    ends = [*EDGES_S[1:], float("inf")]
    bins = zip(EDGES_S, ends, strict=True)
    return [
        (f"{low:g}" if high == float("inf") else f"{low:g}-{high:g}", sum(low <= value < high for value in seconds))
        for low, high in bins
    ]
