"""Cohen's kappa with an interval over images: the value by scikit-learn, its resamples all at once."""

from collections.abc import Hashable, Sequence

import numpy as np
from sklearn.metrics import cohen_kappa_score

from curation.estimates import RESAMPLES, Estimate, Numbers, with_percentiles


def kappa(pairs: Sequence[tuple[Hashable, Hashable]], random: np.random.Generator, fewest: int, what: str) -> Estimate:
    """Kappa of pairs of answers; `what` names the pairs where they are too few."""
    n = len(pairs)
    if n < fewest:
        return Estimate.none(n, f"too few: {n} {what}, {fewest} needed")
    answers = {answer: code for code, answer in enumerate(sorted({one for pair in pairs for one in pair}, key=str))}
    if len(answers) < 2:
        return Estimate.none(n, "not defined: every answer is the same")
    codes = np.array([[answers[one], answers[two]] for one, two in pairs])
    table = np.bincount(codes[:, 0] * len(answers) + codes[:, 1], minlength=len(answers) ** 2)
    # Drawing images with replacement is drawing cells of the cross table with their shares.
    drawn = random.multinomial(n, table / n, size=RESAMPLES).reshape(RESAMPLES, len(answers), len(answers))
    return with_percentiles(float(cohen_kappa_score(codes[:, 0], codes[:, 1])), kappas(drawn.astype(np.float64)), n)


def kappas(tables: Numbers) -> Numbers:
    """(tables,): kappa of each of (tables, answers, answers) cross tables; not a number where chance agrees wholly."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    found: Numbers = np.divide(observed - chance, 1 - chance, out=np.full(len(tables), np.nan), where=chance < 1)
    return found
