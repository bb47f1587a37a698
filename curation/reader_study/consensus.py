"""Consensus of several readers by CROWDLAB (Goh, Tkachenko and Mueller 2022), as cleanlab has it.

CROWDLAB weighs each reader by how well they agree with the others and with a classifier. Our classifier is a plain one:
how often readers accept other images of the class that was asked for. It knows no pixel, so the consensus rests on
people. Unsure counts as not accepted.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.estimates import Numbers
from curation.reader_study.table import StudyTable
from curation.tables.reading import Purpose, Verdict

if TYPE_CHECKING:
    import pandas as pd

FEWEST_IMAGES = 20


@dataclass(frozen=True, slots=True)
class ImageConsensus:
    """The consensus on one image, and its quality (0 to 1)."""

    image_id: int
    accepted: bool
    quality: float
    readers: int


@dataclass(frozen=True, slots=True)
class Consensus:
    """Consensus by image, lowest quality first, and the quality of each reader; or the reason why there is none."""

    images: tuple[ImageConsensus, ...]
    readers: dict[str, float]
    reason: str | None = None


def consensus(table: StudyTable) -> Consensus:
    """Compute the consensus on candidates that two people or more have read blind."""
    import pandas as pd  # half a second to import

    accepts: dict[int, dict[str, bool]] = defaultdict(dict)
    asked: dict[int, str] = {}
    for row in table.blind().rows:
        if row.purpose is Purpose.CANDIDATE:
            accepts[row.image_id][row.reader] = row.verdict is Verdict.ACCEPT
            asked[row.image_id] = row.asked or ""
    several = {image: verdicts for image, verdicts in sorted(accepts.items()) if len(verdicts) >= 2}
    if len(several) < FEWEST_IMAGES:
        reason = f"too few: {len(several)} images read by two people or more, {FEWEST_IMAGES} needed"
        return Consensus((), {}, reason)
    verdicts = pd.DataFrame.from_dict(several, orient="index").astype("float").sort_index()
    if verdicts.stack().nunique() < 2:
        return Consensus((), {}, "every verdict is the same")
    return _crowdlab(verdicts, _classifier(verdicts, [asked[image] for image in verdicts.index]))


def _classifier(verdicts: "pd.DataFrame", classes: list[str]) -> Numbers:
    """Estimate rejection and acceptance, (images, 2), from the other images of the same class, smoothed."""
    accepts, reads = verdicts.sum(axis=1).to_numpy(), verdicts.notna().sum(axis=1).to_numpy()
    rates = np.empty(len(verdicts))
    names = np.array(classes)
    for name in set(classes):
        members = names == name
        rates[members] = (accepts[members].sum() - accepts[members] + 1) / (reads[members].sum() - reads[members] + 2)
    return np.column_stack([1 - rates, rates])


def _crowdlab(verdicts: "pd.DataFrame", probabilities: Numbers) -> Consensus:
    from cleanlab.multiannotator import get_label_quality_multiannotator  # more than a second to import

    with warnings.catch_warnings(), _fixed_ties():
        # cleanlab warns where the consensus lacks a class or a reader overlaps with few; the result shows both.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        result = get_label_quality_multiannotator(verdicts, probabilities, verbose=False)
    images = [
        ImageConsensus(
            int(image), bool(row.consensus_label), float(row.consensus_quality_score), int(row.num_annotations)
        )
        for image, row in zip(verdicts.index, result["label_quality"].itertuples(), strict=True)
    ]
    quality = result["annotator_stats"]["annotator_quality"]
    return Consensus(
        tuple(sorted(images, key=lambda image: (image.quality, image.image_id))),
        {str(name): float(value) for name, value in quality.sort_index().items()},
    )


@contextmanager
def _fixed_ties() -> Iterator[None]:
    """Seed numpy's global generator, by which cleanlab breaks its last ties, and restore it afterwards."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)
