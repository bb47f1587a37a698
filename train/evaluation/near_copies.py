"""Figures again without the held-out images that look like a training image of another subject."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.estimates import Estimate
from curation.snapshots.folder import SnapshotFolder, SnapshotRow


@dataclass(frozen=True, slots=True)
class MetricsWithoutNearCopies:
    """The metrics without `left_out` images; none, and why, where too little is left."""

    left_out: int
    n_images: int
    n_units: int
    metrics: dict[str, Estimate]
    why_none: str | None


def are_near_copies(folders: Sequence[SnapshotFolder], rows: Sequence[SnapshotRow]) -> NDArray[np.bool_] | None:
    """Tell which rows (N,) of a held-out split look like a training image in any of the folders that have them.

    None when one of the folders was built before near copies were searched.
    """
    of_splits = [folder.near_copies(row_split) for folder in folders for row_split in {row.split for row in rows}]
    if any(names is None for names in of_splits):
        return None
    names = frozenset[str]().union(*(names for names in of_splits if names))
    return np.array([row.file_name in names for row in rows], bool)


def why_not_measured(labels: NDArray[np.int64], kept: NDArray[np.bool_], classes: Sequence[str]) -> str | None:
    """Say why the kept images cannot be measured: a class has none left. None when every class has one."""
    missing = [name for position, name in enumerate(classes) if not (labels[kept] == position).any()]
    return f"no image of {', '.join(missing)} is left" if missing else None
