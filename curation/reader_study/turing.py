"""A visual Turing test: the AUC of real against synthetic images, on six steps of confidence.

An AUC of one half is chance. For a reader the interval is a bootstrap over images. Pooled, it adds the variance between
readers to that over images, with one set of images drawn for all of them: readers find the same images hard, so images
drawn for each reader apart would give too short an interval. "Indistinguishable" is said only of four readers or more,
and when the whole interval lies within a margin that was stated before the reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.estimates import CONFIDENCE, Estimate, Numbers, crossed_spread, with_percentiles
from curation.reader_study.table import StudyTable
from curation.tables.reading import Purpose

FEWEST_IMAGES = 25  # real and synthetic ones each, per reader
FEWEST_READERS = 2
FEWEST_READERS_TO_CONCLUDE = 4  # below, the interval holds the truth in 87 to 93 % where readers differ much
RESAMPLES = 1_000
STEPS = 6


@dataclass(frozen=True, slots=True)
class TuringResult:
    """AUCs of real against synthetic, and what may be concluded."""

    by_reader: dict[str, Estimate]
    pooled: Estimate
    margin: float | None
    indistinguishable: bool
    sentence: str


def turing_result(table: StudyTable, margin: float | None, random: np.random.Generator) -> TuringResult:
    """Compute the result of a Turing worklist from blind readings."""
    readers = table.blind().by_reader()
    real = {name: _scores(rows, Purpose.REAL_CONTROL) for name, rows in readers.items()}
    synthetic = {name: _scores(rows, Purpose.CANDIDATE) for name, rows in readers.items()}
    drawn = resampled_aucs(list(real.values()), list(synthetic.values()), random)
    by_reader = {name: _reader_auc(real[name], synthetic[name], drawn[:, place]) for place, name in enumerate(readers)}
    pooled = _pooled(list(by_reader.values()), drawn, len(set().union(*real, *synthetic)))
    within_margin = False
    if margin is not None and pooled.low is not None and pooled.high is not None and _are_enough(pooled):
        within_margin = 1 - margin < pooled.low and pooled.high < margin
    return TuringResult(by_reader, pooled, margin, within_margin, _sentence(pooled, margin, within_margin))


Scores = dict[int, int]  # by image id, the confidence that it is real


def _scores(table: StudyTable, purpose: Purpose) -> Scores:
    rated = (row for row in table.rows if row.purpose is purpose and row.confidence is not None)
    return {row.image_id: row.confidence or 0 for row in rated}


def auc(real: Numbers, synthetic: Numbers) -> float:
    """Compute the chance that a real image is rated more real than a synthetic one; ties count half (Mann-Whitney)."""
    from scipy.stats import rankdata  # a second to import

    ranks = rankdata(np.concatenate([real, synthetic]))
    excess = ranks[: len(real)].sum() - len(real) * (len(real) + 1) / 2
    return float(excess / (len(real) * len(synthetic)))


def resampled_aucs(real: Sequence[Scores], synthetic: Sequence[Scores], random: np.random.Generator) -> Numbers:
    """Compute AUCs, (resamples, readers), over images drawn anew, the same for every reader of a resample."""
    above = (np.tri(STEPS, k=-1) + np.tri(STEPS)) / 2  # [real, synthetic]: 1 where rated more real, a half for ties
    reals, synthetics = _drawn_steps(real, random), _drawn_steps(synthetic, random)
    pairs = reals.sum(axis=2) * synthetics.sum(axis=2)
    wins: Numbers = np.einsum("bri,ij,brj->br", reals, above, synthetics)
    # Where a resample holds none of a reader's images, that reader has no AUC in it.
    aucs: Numbers = np.divide(wins, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)
    return aucs


def _drawn_steps(scores: Sequence[Scores], random: np.random.Generator) -> Numbers:
    """Count, (resamples, readers, steps), how often each reader gave each step among the images drawn."""
    images = sorted(set().union(*scores))
    steps: Numbers = np.zeros((len(images), len(scores), STEPS))
    for reader, ratings in enumerate(scores):
        for place, image in enumerate(images):
            if image in ratings:
                steps[place, reader, ratings[image] - 1] = 1
    if not images:
        return np.zeros((RESAMPLES, len(scores), STEPS))
    often = random.multinomial(len(images), np.full(len(images), 1 / len(images)), size=RESAMPLES)
    drawn: Numbers = np.tensordot(often.astype(np.float64), steps, axes=1)
    return drawn


def _reader_auc(real: Scores, synthetic: Scores, drawn: Numbers) -> Estimate:
    n = len(real) + len(synthetic)
    if min(len(real), len(synthetic)) < FEWEST_IMAGES:
        reason = f"too few: {len(real)} real and {len(synthetic)} synthetic images read, {FEWEST_IMAGES} of each needed"
        return Estimate.none(n, reason)
    return with_percentiles(
        auc(*(np.array(list(ratings.values()), dtype=np.float64) for ratings in (real, synthetic))), drawn, n
    )


def _pooled(by_reader: Sequence[Estimate], drawn: Numbers, images: int) -> Estimate:
    """Compute the readers' mean AUC, with the variance between readers and, for all of them at once, between images."""
    enough = [place for place, estimate in enumerate(by_reader) if estimate.value is not None]
    values = [estimate.value for estimate in by_reader if estimate.value is not None]
    n = len(values)
    if n < FEWEST_READERS:
        return Estimate.none(n, f"too few: {n} readers with enough, {FEWEST_READERS} needed")
    mean = float(np.mean(values))
    spread = crossed_spread(np.array(values), drawn[:, enough].mean(axis=1), images, CONFIDENCE)
    if spread.half_width == 0:
        return Estimate(mean, None, None, n, "no interval: nothing varies between readers or images")
    low, high = max(0.0, mean - spread.half_width), min(1.0, mean + spread.half_width)
    return Estimate(mean, low, high, n, "Student t over readers and images")


def _are_enough(pooled: Estimate) -> bool:
    return pooled.n >= FEWEST_READERS_TO_CONCLUDE


def _sentence(pooled: Estimate, margin: float | None, within_margin: bool) -> str:
    if pooled.value is None:
        return f"No pooled AUC: {pooled.how}."
    if pooled.low is None or pooled.high is None:
        return f"Pooled AUC {pooled.value:.2f} over {pooled.n} readers; {pooled.how}, so nothing is concluded."
    measured = f"Pooled AUC {pooled.value:.2f} ({pooled.low:.2f} to {pooled.high:.2f}) over {pooled.n} readers."
    if not _are_enough(pooled):
        return f"{measured} With fewer than {FEWEST_READERS_TO_CONCLUDE} readers it is too narrow to conclude from."
    if margin is None:
        return f"{measured} No margin was stated in advance, so nothing is said of being indistinguishable."
    conclusion = "indistinguishable within it" if within_margin else "not shown to be indistinguishable"
    return f"{measured} Margin stated in advance: {1 - margin:.2f} to {margin:.2f}; {conclusion}."
