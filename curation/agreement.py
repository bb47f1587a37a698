"""Agreement of the people who read a worklist: Krippendorff's alpha on nominal verdicts, bootstrapped over images.

Alpha is 1 for perfect agreement and 0 for what chance gives at these rates of verdicts (Krippendorff 2011, "Computing
Krippendorff's alpha-reliability"). Proxies are left out: they are not people.
"""

from collections import defaultdict
from dataclasses import dataclass

import krippendorff
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.claims import open_worklist
from curation.models.people import Reader, ReaderKind
from curation.models.reading import Purpose, Reading, Verdict, WorklistItem
from curation.outcomes import stands

FEWEST_IMAGES = 20
RESAMPLES = 1_000
CONFIDENCE = 0.95

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Alpha with its 95 % percentile interval over images, or `reason` why there is none."""

    images: int  # read by two people or more
    alpha: float | None
    low: float | None
    high: float | None
    reason: str | None


def worklist_agreement(session: Session, worklist_id: int, seed: int = 0) -> Agreement:
    """Agreement on the candidates of a worklist that two people or more have read. Raises NotFound."""
    return agreement(verdict_counts(session, worklist_id), seed)


def verdict_counts(session: Session, worklist_id: int) -> Counts:
    """(images, 3): how many people accept, reject and are unsure about each candidate that anyone has read."""
    open_worklist(session, worklist_id)
    query = (
        select(Reading.item_id, Reading.verdict)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(
            WorklistItem.worklist_id == worklist_id,
            WorklistItem.purpose == Purpose.CANDIDATE,
            Reader.kind == ReaderKind.HUMAN,
            stands(),
        )
    )
    columns = list(Verdict)
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * len(columns))
    for item_id, verdict in session.execute(query):
        assert verdict is not None
        counts[item_id][columns.index(verdict)] += 1
    rows = [counts[item_id] for item_id in sorted(counts)]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(columns))


def agreement(counts: Counts, seed: int = 0) -> Agreement:
    """Alpha of verdict counts (images, verdicts), with an interval where the images allow one."""
    paired = counts[counts.sum(axis=1) >= 2]
    if len(paired) < FEWEST_IMAGES:
        reason = f"too few: {len(paired)} images read by two people or more, {FEWEST_IMAGES} needed"
        return Agreement(len(paired), None, None, None, reason)
    if np.count_nonzero(paired.sum(axis=0)) < 2:
        return Agreement(len(paired), None, None, None, "every verdict is the same: alpha is not defined")
    random = np.random.default_rng(seed)
    drawn = (paired[random.integers(0, len(paired), len(paired))] for _ in range(RESAMPLES))
    # A resample with one kind of verdict alone has no alpha; it is as rare as the other verdict is.
    alphas = [_alpha(rows) for rows in drawn if np.count_nonzero(rows.sum(axis=0)) >= 2]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(alphas, [tail, 1 - tail])
    return Agreement(len(paired), _alpha(paired), float(low), float(high), None)


def _alpha(counts: Counts) -> float:
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
