"""Choose which adaptations to try with so many images, and the best of those tried. Torch-free.

The bounds are those of the field, not measured here: with few images everything that moves the encoder overfits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.rows.table import METHODS
from train.adaptation.training_settings import NEED_MOVING_WEIGHTS, NEED_STEPS

FEW_OF_A_CLASS = 10
FEW_IMAGES = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adaptation to try, with entries of its configuration."""

    method: str
    entries: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is tried, and why that."""

    candidates: tuple[Candidate, ...]
    why: str


PROTOTYPES = (Candidate("nearest-mean"), Candidate("logistic"))
LOW_RANK = (Candidate("logistic"), Candidate("lora", {"start": "probe", "lora_rank": 4, "lora_alpha": 8}))
MOVING = (
    Candidate("logistic"),
    Candidate("lora", {"start": "probe"}),
    Candidate("full", {"start": "probe", "interpolate": True}),
)


def choose_candidates(folder: SnapshotFolder) -> Candidates:
    """Choose by the training images; raises BadInput where no validation can decide among the candidates."""
    if not folder.rows("validation"):
        raise BadInput(
            f"--adaptation auto chooses on validation images, and snapshot {folder.name!r} has none. Name a method;"
            " `rounds adaptations` lists them."
        )
    labels = folder.labels(folder.rows("train"))
    counts = np.bincount(labels, minlength=len(folder.classes))
    return candidates_for(dict(zip(folder.classes, counts.tolist(), strict=True)))


def candidates_for(counts: Mapping[str, int]) -> Candidates:
    """Choose by the number of training images of every class."""
    rarest, total = min(counts, key=lambda label: counts[label]), sum(counts.values())
    if counts[rarest] < FEW_OF_A_CLASS:
        why = f"{counts[rarest]} training images of {rarest} are under {FEW_OF_A_CLASS}: only heads on frozen features"
        return Candidates(PROTOTYPES, why)
    if total < FEW_IMAGES:
        why = f"{total} training images are under {FEW_IMAGES}: a head, and low-rank updates that start from it"
        return Candidates(LOW_RANK, why)
    why = f"{total} training images are {FEW_IMAGES} or more: a head, low-rank updates, and every weight"
    return Candidates(MOVING, why)


def settings_that_apply(method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of common settings what needs weights that move, or steps, where `method` has none."""
    row = METHODS[method].row
    left_out = (NEED_MOVING_WEIGHTS if row.frozen_encoder else ()) + (() if row.takes_steps else NEED_STEPS)
    return {name: value for name, value in settings.items() if name not in left_out}


def choose_best(losses: Sequence[float]) -> int:
    """The place of the lowest validation loss; of equal ones the first, which moves fewer weights."""
    return int(np.argmin(losses))
