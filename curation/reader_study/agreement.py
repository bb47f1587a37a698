"""Agreement of readers beyond chance: on the verdict, on each reason, on the class.

Krippendorff's alpha (krippendorff), Fleiss' kappa (statsmodels) and Cohen's kappa (scikit-learn) come from libraries.
Gwet's AC1 (Gwet 2008, "Computing inter-rater reliability and its variance in the presence of high agreement", eq. 1-3)
is ours: the one library that has it cannot be installed beside these versions. Intervals are percentiles of a bootstrap
over images.
"""

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import krippendorff
import numpy as np

from curation.estimates import RESAMPLES, Estimate, Numbers, with_percentiles
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
    return ReaderAgreement(
        question,
        _over_images(counts, krippendorff_alpha, random),
        _over_images(_equally_read(counts), fleiss, random),
        _over_images(counts, gwet_ac1, random),
    )


def answer_counts(answers: Sequence[tuple[int, Hashable]]) -> Numbers:
    """Count the readers by image and answer, (images, answers), for images that two or more have read."""
    columns = {answer: place for place, answer in enumerate(sorted({answer for _, answer in answers}, key=str))}
    items = {item: place for place, item in enumerate(sorted({item for item, _ in answers}))}
    counts: Numbers = np.zeros((len(items), len(columns)))
    for item, answer in answers:
        counts[items[item], columns[answer]] += 1
    several: Numbers = counts[counts.sum(axis=1) >= 2]
    return several


def _over_images(counts: Numbers, statistic: Callable[[Numbers], float], random: np.random.Generator) -> Estimate:
    n = len(counts)
    if n < FEWEST_IMAGES:
        return Estimate.none(n, f"too few: {n} images read by two people or more, {FEWEST_IMAGES} needed")
    drawn = [statistic(counts[random.integers(0, n, n)]) for _ in range(RESAMPLES)]
    return with_percentiles(statistic(counts), np.array(drawn), n)


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
    """Compute Gwet's AC1 of (images, answers) counts, two or more an image; 1 where every answer is the same."""
    readers = counts.sum(axis=1, keepdims=True)
    observed = float(((counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))[:, 0]).mean())
    shares = (counts / readers).mean(axis=0)
    if counts.shape[1] < 2:
        return 1.0
    chance = float((shares * (1 - shares)).sum() / (counts.shape[1] - 1))
    return (observed - chance) / (1 - chance)


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
    return with_percentiles(float(cohen_kappa_score(codes[:, 0], codes[:, 1])), kappas(drawn.astype(np.float64)), n)


def kappas(tables: Numbers) -> Numbers:
    """Compute kappa of each of (tables, answers, answers) cross tables; not a number where chance agreement is 1."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    values: Numbers = np.divide(observed - chance, 1 - chance, out=np.full(len(tables), np.nan), where=chance < 1)
    return values
