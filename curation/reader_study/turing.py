"""A visual Turing test: can readers tell real from synthetic, on six steps of confidence.

An AUC of one half is chance. Per reader the interval is a bootstrap over images; pooled, readers and images are drawn
both, since other readers and other images would give another answer. "Indistinguishable" is said only when the whole
interval lies within a margin that was stated before the reading: not finding a difference is not finding none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from curation.models.reading import Purpose
from curation.reader_study.estimate import Estimate, Numbers, with_percentiles
from curation.reader_study.table import StudyTable

FEWEST_IMAGES = 25  # real and synthetic ones each, per reader
FEWEST_READERS = 2
RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Turing:
    """AUCs of real against synthetic, and what may be concluded."""

    by_reader: dict[str, Estimate]
    pooled: Estimate
    margin: float | None
    indistinguishable: bool
    sentence: str


def turing(table: StudyTable, margin: float | None, random: np.random.Generator) -> Turing:
    """The result of a Turing worklist read blind."""
    scores = {name: _scores(rows) for name, rows in table.blind().by_reader().items()}
    by_reader = {name: _reader_auc(real, synthetic, random) for name, (real, synthetic) in scores.items()}
    pooled = _pooled([scores[name] for name, one in by_reader.items() if one.value is not None], random)
    held = (
        margin is not None
        and pooled.low is not None
        and pooled.high is not None
        and pooled.high < margin
        and pooled.low > 1 - margin
    )
    return Turing(by_reader, pooled, margin, held, _sentence(pooled, margin, held))


def _scores(table: StudyTable) -> tuple[Numbers, Numbers]:
    """Confidence that an image is real: of the real ones, of the synthetic ones."""
    rated = [row for row in table.rows if row.confidence is not None]
    real = [row.confidence or 0 for row in rated if row.purpose is Purpose.REAL_CONTROL]
    synthetic = [row.confidence or 0 for row in rated if row.purpose is Purpose.CANDIDATE]
    return np.array(real, dtype=np.float64), np.array(synthetic, dtype=np.float64)


def auc(real: Numbers, synthetic: Numbers) -> float:
    """The chance that a real image is held more real than a synthetic one, ties counting half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([real, synthetic]))
    excess = ranks[: len(real)].sum() - len(real) * (len(real) + 1) / 2
    return float(excess / (len(real) * len(synthetic)))


def _reader_auc(real: Numbers, synthetic: Numbers, random: np.random.Generator) -> Estimate:
    n = len(real) + len(synthetic)
    if min(len(real), len(synthetic)) < FEWEST_IMAGES:
        reason = f"too few: {len(real)} real and {len(synthetic)} synthetic images read, {FEWEST_IMAGES} of each needed"
        return Estimate.none(n, reason)
    drawn = [auc(_drawn(real, random), _drawn(synthetic, random)) for _ in range(RESAMPLES)]
    return with_percentiles(auc(real, synthetic), np.array(drawn), n)


def _pooled(scores: Sequence[tuple[Numbers, Numbers]], random: np.random.Generator) -> Estimate:
    """The readers' mean AUC; each resample draws readers, then images of each."""
    if len(scores) < FEWEST_READERS:
        return Estimate.none(len(scores), f"too few: {len(scores)} readers with enough, {FEWEST_READERS} needed")
    drawn = [
        np.mean([auc(*(_drawn(part, random) for part in scores[place])) for place in _places(len(scores), random)])
        for _ in range(RESAMPLES)
    ]
    return with_percentiles(float(np.mean([auc(*pair) for pair in scores])), np.array(drawn), len(scores))


def _places(count: int, random: np.random.Generator) -> list[int]:
    return [int(place) for place in random.integers(0, count, count)]


def _drawn(values: Numbers, random: np.random.Generator) -> Numbers:
    return values[random.integers(0, len(values), len(values))]


def _sentence(pooled: Estimate, margin: float | None, held: bool) -> str:
    if pooled.value is None:
        return f"No pooled AUC: {pooled.reason}."
    measured = f"Pooled AUC {pooled.value:.2f} ({pooled.low:.2f} to {pooled.high:.2f}) over {pooled.n} readers."
    if margin is None:
        return f"{measured} No margin was stated in advance, so nothing is said of being indistinguishable."
    words = "indistinguishable within it" if held else "not shown to be indistinguishable"
    return f"{measured} Margin stated in advance: {1 - margin:.2f} to {margin:.2f}; {words}."
