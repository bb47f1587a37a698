"""Find pictures outside the project that look like a training image of a snapshot."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curation.near_copies.fingerprints import Floats, local_fingerprints
from curation.near_copies.prints import AT_ONCE, stored_prints
from curation.near_copies.search import PrintedImages, most_alike
from curation.progress import OnProgress, silent
from curation.project import Project


def are_like_training(
    project: Project, training_files: Sequence[str], small: Sequence[Floats], report: OnProgress = silent
) -> NDArray[np.bool_]:
    """Tell which pictures (N,) look like one of the stored files; `small` is what `small_gray` gives of each."""
    if not small or not training_files:
        return np.zeros(len(small), bool)
    portions = [np.concatenate(small[start : start + AT_ONCE]) for start in range(0, len(small), AT_ONCE)]
    prints = np.concatenate([local_fingerprints(portion) for portion in portions])
    training = sorted(set(training_files))
    nearest = most_alike(
        PrintedImages(prints, np.full(len(prints), -1)),
        PrintedImages(stored_prints(project, training, report), np.zeros(len(training), np.int64)),
        report,
    )
    return nearest.are_near_copies
