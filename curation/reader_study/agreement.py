"""Agreement of readers beyond chance: on the verdict, on each reason, on the class.

Krippendorff's alpha (krippendorff), Fleiss' kappa (statsmodels) and Cohen's kappa (scikit-learn) come from libraries.
Gwet's AC1 (Gwet 2008, "Computing inter-rater reliability and its variance in the presence of high agreement", eq. 1-3)
is ours: the one library that has it cannot be installed beside these versions. Images read once tell how often each
answer is given, so AC1's chance counts them, as its author's program does. Intervals are percentiles of a bootstrap
over images; where no two answers differ, the lower bound is exact, of the share of images on which all agree.
"""

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import krippendorff
import numpy as np

from curation.estimates import EXACT, RESAMPLES, Estimate, Numbers, exact_interval, with_percentiles
from curation.reader_study.table import StudyRow, StudyTable
from curation.tables.reading import Purpose, Verdict

FEWEST_IMAGES = 20


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """Agreement on one question, over images that two people or more have read."""

    question: str
    alpha: Estimate
    fleiss: Estimate
    ac1: Estimate


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Cohen's kappa of two readers on the verdict, over the images both have read."""

    readers: tuple[str, str]
    kappa: Estimate


def agreements(table: StudyTable, reasons: Sequence[str], random: np.random.Generator) -> list[ReaderAgreement]:
    """Compute agreement on candidates: on verdicts, on each verdict, on each reason, and on the class."""
    rows = [row for row in table.rows if row.purpose is Purpose.CANDIDATE]
    computed = [_agreement("verdict", rows, lambda row: row.verdict, random)]
    for verdict in Verdict:
        computed.append(_agreement(f"verdict {verdict.value}", rows, lambda row, v=verdict: row.verdict is v, random))  # type: ignore[misc]
    for reason in reasons:
        computed.append(_agreement(f"reason {reason}", rows, lambda row, r=reason: r in row.reasons, random))  # type: ignore[misc]
    accepted = [row for row in rows if row.verdict is Verdict.ACCEPT and row.label is not None]
    computed.append(_agreement("class", accepted, lambda row: row.label, random))
    return computed


def pair_agreements(table: StudyTable, random: np.random.Generator) -> list[PairAgreement]:
    """Compute Cohen's kappa of every pair of readers."""
    verdicts = {
        name: {row.item_id: row.verdict.value for row in rows.rows if row.purpose is Purpose.CANDIDATE}
        for name, rows in table.by_reader().items()
    }
    return [
        PairAgreement((first, second), _cohen(verdicts[first], verdicts[second], random))
        for first, second in combinations(verdicts, 2)
    ]


def _cohen(first: dict[int, str], second: dict[int, str], random: np.random.Generator) -> Estimate:
    both = sorted(first.keys() & second.keys())
    return kappa([(first[item], second[item]) for item in both], random, FEWEST_IMAGES, "images read by both")


def _agreement(
    question: str, rows: Sequence[StudyRow], answer: Callable[[StudyRow], Hashable], random: np.random.Generator
) -> ReaderAgreement:
    counts = answer_counts([(row.item_id, answer(row)) for row in rows])
    several = _read_by_several(counts)
    return ReaderAgreement(
        question,
        _over_images(several, krippendorff_alpha, random),
        _over_images(_equally_read(several), fleiss, random),
        _over_images(counts, gwet_ac1, random, ac1_chance),
    )


def answer_counts(answers: Sequence[tuple[int, Hashable]]) -> Numbers:
    """Count the readers by image and answer, (images, answers)."""
    columns = {answer: place for place, answer in enumerate(sorted({answer for _, answer in answers}, key=str))}
    items = {item: place for place, item in enumerate(sorted({item for item, _ in answers}))}
    counts: Numbers = np.zeros((len(items), len(columns)))
    for item, answer in answers:
        counts[items[item], columns[answer]] += 1
    return counts


def _read_by_several(counts: Numbers) -> Numbers:
    several: Numbers = counts[counts.sum(axis=1) >= 2]
    return several


def nominal_chance(counts: Numbers) -> float:
    """Compute the chance that two answers drawn from all of them are the same."""
    return float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())


def _over_images(
    counts: Numbers,
    statistic: Callable[[Numbers], float],
    random: np.random.Generator,
    chance: Callable[[Numbers], float] = nominal_chance,
) -> Estimate:
    """Estimate agreement over images (`n`: those that two or more have read); `chance` is what it is measured from."""
    n = len(_read_by_several(counts))
    if n < FEWEST_IMAGES:
        return Estimate.none(n, f"too few: {n} images read by two people or more, {FEWEST_IMAGES} needed")
    images = len(counts)
    drawn = [statistic(counts[random.integers(0, images, images)]) for _ in range(RESAMPLES)]
    return _with_exact_bound(with_percentiles(statistic(counts), np.array(drawn), n), chance(counts))


def _with_exact_bound(estimate: Estimate, chance: float) -> Estimate:
    """Give perfect agreement the exact lower bound of the share of images that agree, at the chance agreement seen."""
    if estimate.value is None or estimate.low is not None or estimate.value < 1:
        return estimate
    agreeing, _ = exact_interval(estimate.n, estimate.n)
    return Estimate(1.0, (agreeing - chance) / (1 - chance), 1.0, estimate.n, f"{EXACT} of images that agree")


def krippendorff_alpha(counts: Numbers) -> float:
    """Compute nominal alpha of (images, answers) counts; not a number where every answer is the same."""
    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return float("nan")
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def fleiss(counts: Numbers) -> float:
    """Compute Fleiss' kappa of counts with the same number of readers for each image."""
    from statsmodels.stats.inter_rater import fleiss_kappa  # more than a second to import

    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0/0 where chance agreement is 1: it gives not a number
        return float(fleiss_kappa(counts))


def gwet_ac1(counts: Numbers) -> float:
    """Compute Gwet's AC1 of (images, answers) counts; 1 where every answer is the same.

    Not a number where no image was read twice, as in a resample of images that were mostly read once.
    """
    several = _read_by_several(counts)
    if not len(several):
        return float("nan")
    readers = several.sum(axis=1)
    observed = float(((several * (several - 1)).sum(axis=1) / (readers * (readers - 1))).mean())
    chance = ac1_chance(counts)
    return (observed - chance) / (1 - chance)


def ac1_chance(counts: Numbers) -> float:
    """Compute AC1's chance agreement from every image, also from those read once; 0 where there is one answer."""
    if counts.shape[1] < 2:
        return 0.0
    shares = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
    return float((shares * (1 - shares)).sum() / (counts.shape[1] - 1))


def _equally_read(counts: Numbers) -> Numbers:
    """Keep the images with the most frequent number of readers: Fleiss' kappa needs the same for all."""
    if not len(counts):
        return counts
    readers, images = np.unique(counts.sum(axis=1), return_counts=True)
    equally: Numbers = counts[counts.sum(axis=1) == readers[images.argmax()]]
    return equally


def kappa(pairs: Sequence[tuple[Hashable, Hashable]], random: np.random.Generator, fewest: int, what: str) -> Estimate:
    """Compute kappa of pairs of answers; `what` names the pairs in the reason where they are too few."""
    from sklearn.metrics import cohen_kappa_score  # more than two seconds to import

    n = len(pairs)
    if n < fewest:
        return Estimate.none(n, f"too few: {n} {what}, {fewest} needed")
    distinct = sorted({answer for pair in pairs for answer in pair}, key=str)
    answers = {answer: code for code, answer in enumerate(distinct)}
    if len(answers) < 2:
        return Estimate.none(n, "not defined: every answer is the same")
    codes = np.array([[answers[first], answers[second]] for first, second in pairs])
    table = np.bincount(codes[:, 0] * len(answers) + codes[:, 1], minlength=len(answers) ** 2)
    # To draw images with replacement is to draw cells of the cross table by their shares.
    drawn = random.multinomial(n, table / n, size=RESAMPLES).reshape(RESAMPLES, len(answers), len(answers))
    estimate = with_percentiles(float(cohen_kappa_score(codes[:, 0], codes[:, 1])), kappas(drawn.astype(np.float64)), n)
    answered = np.bincount(codes.ravel(), minlength=len(answers))
    return _with_exact_bound(estimate, nominal_chance(answered[None].astype(np.float64)))


def kappas(tables: Numbers) -> Numbers:
    """Compute kappa of each of (tables, answers, answers) cross tables; not a number where chance agreement is 1."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    values: Numbers = np.divide(observed - chance, 1 - chance, out=np.full(len(tables), np.nan), where=chance < 1)
    return values
