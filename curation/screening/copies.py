"""The two copy gates, by features and by pixels, and duplicates within a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.screening.checks import Check, Unset
from curation.screening.fingerprints import placements
from curation.screening.neighbours import Features, Nearest, nearest, nearest_of_two_groups
from curation.screening.privacy import CopyGate, fit_copy_gate
from curation.screening.references import Reference

Neighbours = list[dict[str, Any]]

NEIGHBOURS = 3
# Of the pixel gate's distance: two pictures of a batch far closer than two people are one picture to a reader.
DUPLICATE_SHARE = 0.25
AT_ONCE = 256


def find_copies(
    embedded: Mapping[str, Features],
    prints: Mapping[str, Features],
    train: Sequence[Reference],
    validation: Sequence[Reference],
    checks: Sequence[list[Check]],
) -> tuple[dict[str, CopyGate | Unset], list[Neighbours]]:
    """Add `near_copy` (features) and `near_copy_pixels` (fingerprints) to each image's checks.

    Returns the gates, and each image's nearest training images: three by features, and the one by pixels.
    """
    names = ("near_copy", "near_copy_pixels")
    if not train:
        missing = Unset("no real training image of this shape")
        for own in checks:
            own += [Check(name, 2.0, str(missing), missing.verdict(2.0)) for name in names]
        return dict.fromkeys(names, missing), [[] for _ in checks]
    subjects = np.array([one.subject_id for one in train])
    validation_subjects = [one.subject_id for one in validation]
    gates: dict[str, CopyGate | Unset] = {}
    found: dict[str, Nearest] = {}
    for name, vectors, versions in zip(names, (embedded, prints), (_as_it_is, placements), strict=True):
        tuning = _search(vectors["validation"], vectors["train"], subjects, versions)
        gates[name] = fit_copy_gate(tuning.distances, validation_subjects)
        found[name] = _search(vectors["batch"], vectors["train"], subjects, versions)
        _add_checks(name, gates[name], found[name], checks)
    by_features = nearest(embedded["batch"], embedded["train"], k=min(NEIGHBOURS, len(train)))
    by_pixels = found["near_copy_pixels"]
    neighbours = [
        _named(train, by_features.positions[own], by_features.distances[own], "features")
        + _named(train, by_pixels.positions[own, :1], by_pixels.distances[own, :1], "pixels")
        for own in range(len(checks))
    ]
    return gates, neighbours


def find_duplicates(
    prints: Features, digests: Sequence[str], gate: CopyGate | Unset, checks: Sequence[list[Check]]
) -> float | None:
    """Add `duplicate`: of images too like each other the first stays, later ones are flagged, exact repeats blocked.

    Returns the distance below which two fingerprints are one picture; None without a pixel gate, and then only exact
    repeats are found.
    """
    below = None if isinstance(gate, Unset) else DUPLICATE_SHARE * gate.distance
    threshold = "no exact repeat" if below is None else f"not below {below:.4g}"
    first_of: dict[str, int] = {}
    for own, digest in enumerate(digests):
        first_of.setdefault(digest, own)
    for own, check in enumerate(checks):
        earlier = prints[:own]
        distance = float((1 - earlier @ prints[own]).min()) if own else 2.0
        if first_of[digests[own]] < own:
            check.append(Check("duplicate", 0.0, threshold, "block"))
        else:
            verdict = "flag" if below is not None and distance < below else "pass"
            check.append(Check("duplicate", max(distance, 0.0), threshold, verdict))
    return below


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
        verdict = gate.verdict(first) if isinstance(gate, Unset) else gate.verdict_of(first, second)
        own.append(Check(name, first, str(gate), verdict))


def _named(
    references: Sequence[Reference], positions: NDArray[np.int64], distances: NDArray[np.float32], by: str
) -> Neighbours:
    return [
        {"image_id": references[int(position)].image_id, "distance": round(float(distance), 6), "by": by}
        for position, distance in zip(positions, distances, strict=True)
    ]
