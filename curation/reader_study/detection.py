"""Sensitivity, d' and criterion of a reader: planted defects against real images, both blind.

A rejection is a detection; unsure is not one. d' and the criterion c carry the log-linear correction (Hautus 1995,
"Corrections for extreme proportions", adding 0.5 to counts and 1 to totals), their intervals the normal approximation
of Gourevitch and Galanter (1967). A positive c leans to accepting.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import NormalDist

from curation.estimates import CONFIDENCE, Estimate, proportion
from curation.reader_study.table import StudyTable
from curation.tables.reading import Purpose, Verdict

FEWEST_CONTROLS = 50  # of each kind, for d' and c
FEWEST_SHARES = 10
FEWEST_OF_A_KIND = 5
NORMAL = "normal approximation"
STANDARD_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Detection:
    """One reader on the controls."""

    reader: str
    sensitivity: Estimate  # share of planted defects rejected
    false_rejects: Estimate  # share of real images rejected
    d_prime: Estimate
    criterion: Estimate
    by_defect: dict[str, Estimate]


def detection(table: StudyTable, reader: str) -> Detection:
    """Compute how one reader does on the controls of a blind table."""
    defects = [row for row in table.rows if row.purpose is Purpose.DEFECT_CONTROL]
    reals = [row for row in table.rows if row.purpose is Purpose.REAL_CONTROL]
    hits = sum(row.verdict is Verdict.REJECT for row in defects)
    alarms = sum(row.verdict is Verdict.REJECT for row in reals)
    kinds: dict[str, list[bool]] = defaultdict(list)
    for row in defects:
        kinds[row.truth or "unnamed"].append(row.verdict is Verdict.REJECT)
    return Detection(
        reader,
        proportion(hits, len(defects), FEWEST_SHARES),
        proportion(alarms, len(reals), FEWEST_SHARES),
        *signal_detection(hits, len(defects), alarms, len(reals)),
        {kind: proportion(sum(seen), len(seen), FEWEST_OF_A_KIND) for kind, seen in sorted(kinds.items())},
    )


def signal_detection(hits: int, signals: int, alarms: int, noises: int) -> tuple[Estimate, Estimate]:
    """Compute d' and c of hits among signals and false alarms among noises, or say what is missing."""
    n = signals + noises
    if signals < FEWEST_CONTROLS or noises < FEWEST_CONTROLS:
        reason = f"too few: {signals} defects and {noises} real images read blind, {FEWEST_CONTROLS} of each needed"
        return Estimate.none(n, reason), Estimate.none(n, reason)
    hit_rate, alarm_rate = (hits + 0.5) / (signals + 1), (alarms + 0.5) / (noises + 1)
    z_hit, z_alarm = STANDARD_NORMAL.inv_cdf(hit_rate), STANDARD_NORMAL.inv_cdf(alarm_rate)
    variance = _variance(hit_rate, signals, z_hit) + _variance(alarm_rate, noises, z_alarm)
    half = STANDARD_NORMAL.inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance)
    d_prime, criterion = z_hit - z_alarm, -(z_hit + z_alarm) / 2
    return (
        Estimate(d_prime, d_prime - half, d_prime + half, n, NORMAL),
        Estimate(criterion, criterion - half / 2, criterion + half / 2, n, NORMAL),
    )


def _variance(rate: float, n: int, z: float) -> float:
    """The variance of a proportion's z, by the delta method."""
    return rate * (1 - rate) / (n * STANDARD_NORMAL.pdf(z) ** 2)
