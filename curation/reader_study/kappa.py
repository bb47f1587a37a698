"""Cohen's kappa with a bootstrap interval over images."""

from collections.abc import Hashable, Sequence

import numpy as np
from sklearn.metrics import cohen_kappa_score

from curation.estimates import RESAMPLES, Estimate, Numbers, with_percentiles


def kappa(pairs: Sequence[tuple[Hashable, Hashable]], random: np.random.Generator, fewest: int, what: str) -> Estimate:
    """Compute kappa of pairs of answers; `what` names the pairs in the reason where they are too few."""
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
