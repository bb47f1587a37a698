"""What curation kept: shares of each mode and subgroup, and the odds of being approved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep

from curation.estimates import Estimate, proportion
from curation.tables.reading import OutcomeVerdict
from screening.set_measures.modes import Grouping

ALPHA = 0.05
RARE = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    """Hits of n with their share and its exact interval; the share is None where nothing was counted."""

    hits: int
    n: int
    share: Estimate | None

    @classmethod
    def of(cls, hits: int, n: int) -> "Count":
        """`hits` of `n`."""
        return cls(hits, n, proportion(hits, n) if n else None)


@dataclass(frozen=True, slots=True)
class Represented:
    """One level: its share among real, generated and kept images, and the ratio of kept to real.

    `ratio` is kept share by real share with its 95 % score interval. `state` reads it at a level divided by the number
    of levels looked at (Bonferroni): missed (surely under half), scarce (surely under one), ample, even, or unsure.
    """

    grouping: str
    level: str
    of_class: str
    real: Count
    drawn: Count
    kept: Count
    ratio: Estimate | None
    state: str
    covered: Count | None = None
    covered_floor: Count | None = None


@dataclass(frozen=True, slots=True)
class Odds:
    """The odds of approval of one level against those of all others, class by class."""

    grouping: str
    level: str
    approved: int
    rejected: int
    ratio: Estimate | None
    note: str


def representation(
    grouping: Grouping, real_classes: Sequence[str], drawn_classes: Sequence[str], kept: Sequence[bool], looks: int
) -> list[Represented]:
    """Shares of each level, within its class where the grouping says so; `looks` counts all levels looked at."""
    real = np.array(grouping.real)
    drawn, is_kept = np.array(grouping.drawn, dtype=str), np.array(kept, bool)
    classes = sorted(set(real_classes)) if grouping.within_class else [""]
    rows = []
    for label in classes:
        of_real = np.array([not label or name == label for name in real_classes], bool)
        of_drawn = np.array([not label or name == label for name in drawn_classes], bool)
        for level in sorted(set(real[of_real])):
            counts = (
                Count.of(int((real[of_real] == level).sum()), int(of_real.sum())),
                Count.of(int((drawn[of_drawn] == level).sum()), int(of_drawn.sum())),
                Count.of(int((drawn[of_drawn & is_kept] == level).sum()), int((of_drawn & is_kept).sum())),
            )
            ratio, state = _against(counts[2], counts[0], looks)
            rows.append(Represented(grouping.name, level, label, *counts, ratio, state))
    return rows


def _against(kept: Count, real: Count, looks: int) -> tuple[Estimate | None, str]:
    if not kept.n or not real.hits:
        return None, "nothing kept"
    value = (kept.hits / kept.n) / (real.hits / real.n)
    if real.hits == real.n:
        return Estimate(value, None, None, kept.n, "every real image is of it"), "even"
    ratio = Estimate(value, *_ratio_limits(kept, real, ALPHA), kept.n, "Koopman's score interval")
    low, high = _ratio_limits(kept, real, ALPHA / looks)
    return ratio, _state(low, high)


def _ratio_limits(kept: Count, real: Count, alpha: float) -> tuple[float, float]:
    """Score interval of a ratio of two proportions (Koopman 1984)."""
    low, high = confint_proportions_2indep(
        kept.hits, kept.n, real.hits, real.n, method="score", compare="ratio", alpha=alpha, correction=False
    )
    return max(0.0, float(low)), float(high)


def _state(low: float, high: float) -> str:
    if high < RARE:
        return "missed"
    if high < 1:
        return "scarce"
    if low > 1:
        return "ample"
    return "even" if low > RARE and high < 1 / RARE else "unsure"


def acceptance_odds(
    grouping: Grouping, classes: Sequence[str], verdicts: Sequence[OutcomeVerdict | None]
) -> list[Odds]:
    """Odds of approval of each level against all others; unresolved and unread images are left out.

    Mantel-Haenszel over classes with the interval of Robins, Breslow and Greenland (1986), by statsmodels; 0.5 is added
    to every cell of a class that has an empty one (Haldane). Levels of `class` itself are compared without strata.
    """
    settled = (OutcomeVerdict.APPROVED, OutcomeVerdict.REJECTED)
    read = [place for place, verdict in enumerate(verdicts) if verdict in settled]
    levels = np.array([grouping.drawn[place] for place in read], dtype=str)
    strata = np.array(["" if grouping.name == "class" else classes[place] for place in read], dtype=str)
    approved = np.array([verdicts[place] is OutcomeVerdict.APPROVED for place in read], bool)
    return [_odds(grouping, str(level), levels == level, strata, approved) for level in sorted(set(levels.tolist()))]


def _odds(grouping: Grouping, level: str, of_level: Any, strata: Any, approved: Any) -> Odds:
    tables = []
    for stratum in sorted(set(strata.tolist())):
        in_stratum = strata == stratum
        table = [
            [int((in_stratum & side & approved).sum()), int((in_stratum & side & ~approved).sum())]
            for side in (of_level, ~of_level)
        ]
        if all(sum(row) for row in table) and all(sum(column) for column in zip(*table, strict=True)):
            tables.append(np.array(table))
    counts = int((of_level & approved).sum()), int((of_level & ~approved).sum())
    if not tables:
        return Odds(grouping.name, level, *counts, None, "nothing to compare with: no class has both, in both")
    pooled = StratifiedTable(tables, shift_zeros=True)
    low, high = pooled.oddsratio_pooled_confint(ALPHA)
    corrected = any((table == 0).any() for table in tables)
    note = "0.5 added where a cell is empty" if corrected else ""
    how = "Robins, Breslow and Greenland"
    ratio = Estimate(float(pooled.oddsratio_pooled), float(low), float(high), len(approved), how)
    return Odds(grouping.name, level, *counts, ratio, note)
