"""The two copy gates, by features and by pixels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.screening.checks import Check, Unset
from curation.screening.fingerprints import placements
from curation.screening.neighbours import Features, Nearest, nearest, nearest_of_two_groups
from curation.screening.privacy import EXACT, CopyGate, copied_in_cohort, fit_copy_gate
from curation.screening.references import Reference

Neighbours = list[dict[str, Any]]

NEIGHBOURS = 3
AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class CopySearch:
    """The gates by name, how many validation images set none since they are copies, and each image's neighbours."""

    gates: dict[str, CopyGate | Unset]
    validation_copies: int
    neighbours: list[Neighbours]


def find_copies(
    embedded: Mapping[str, Features],
    prints: Mapping[str, Features],
    train: Sequence[Reference],
    validation: Sequence[Reference],
    checks: Sequence[list[Check]],
) -> CopySearch:
    """Add `near_copy` (features) and `near_copy_pixels` (fingerprints) to each image's checks.

    Neighbours are the three nearest training images by features, and the nearest by pixels.
    """
    names = ("near_copy", "near_copy_pixels")
    if not train:
        missing = Unset("no real training image of this shape")
        for own in checks:
            own += [Check(name, 2.0, str(missing), missing.verdict(2.0)) for name in names]
        return CopySearch(dict.fromkeys(names, missing), 0, [[] for _ in checks])
    subjects = np.array([one.subject_id for one in train])
    of_validation = np.array([one.subject_id for one in validation])
    by_pixels = _search(prints["validation"], prints["train"], subjects, placements)
    copied = copied_in_cohort(by_pixels.distances)
    by_features = _search(embedded["validation"], embedded["train"], subjects, _as_it_is)
    gates = {
        name: fit_copy_gate(tuning.distances[~copied], of_validation[~copied].tolist())
        for name, tuning in zip(names, (by_features, by_pixels), strict=True)
    }
    found = {
        "near_copy": _search(embedded["batch"], embedded["train"], subjects, _as_it_is),
        "near_copy_pixels": _search(prints["batch"], prints["train"], subjects, placements),
    }
    for name in names:
        _add_checks(name, gates[name], found[name], checks)
    three = nearest(embedded["batch"], embedded["train"], k=min(NEIGHBOURS, len(train)))
    one = found["near_copy_pixels"]
    neighbours = [
        _named(train, three.positions[own], three.distances[own], "features")
        + _named(train, one.positions[own, :1], one.distances[own, :1], "pixels")
        for own in range(len(checks))
    ]
    return CopySearch(gates, int(copied.sum()), neighbours)


def _as_it_is(vectors: Features) -> Features:
    return vectors[None]


def _search(
    queries: Features, references: Features, subjects: NDArray[np.int64], versions: Callable[[Features], Features]
) -> Nearest:
    """In portions, since each query may stand for 18."""
    parts = [
        nearest_of_two_groups(versions(queries[start : start + AT_ONCE]), references, subjects)
        for start in range(0, len(queries), AT_ONCE)
    ]
    if not parts:
        return Nearest(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.int64))
    return Nearest(np.concatenate([p.distances for p in parts]), np.concatenate([p.positions for p in parts]))


def _add_checks(name: str, gate: CopyGate | Unset, found: Nearest, checks: Sequence[list[Check]]) -> None:
    for own, (first, second) in zip(checks, found.distances.tolist(), strict=True):
        if isinstance(gate, Unset):
            verdict = "block" if first < EXACT else gate.verdict(first)
        else:
            verdict = gate.verdict_of(first, second)
        own.append(Check(name, first, str(gate), verdict))


def _named(
    references: Sequence[Reference], positions: NDArray[np.int64], distances: NDArray[np.float32], by: str
) -> Neighbours:
    return [
        {"image_id": references[int(position)].image_id, "distance": round(float(distance), 6), "by": by}
        for position, distance in zip(positions, distances, strict=True)
    ]
