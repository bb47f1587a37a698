"""Find near copies of training images by two gates: by features and by pixels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curation.digests import digest_of
from curation.near_copies.fingerprints import placements
from curation.progress import OnProgress, silent
from screening.checks.check import Check, Unset
from screening.copies.aligned_search import Aligned, AlignedSearch, Thumbnails
from screening.copies.gates import (
    EXACT,
    AlignedGate,
    CopyGate,
    CopyVerdict,
    copied_in_cohort,
    fit_aligned_gate,
    fit_copy_gate,
)
from screening.copies.thumbnails import thumbnails
from screening.features.feature_file import FeatureFile
from screening.features.neighbours import Features, Nearest, nearest, nearest_of_two_groups
from screening.references import Reference

Neighbours = list[dict[str, Any]]

KeptDistances = Callable[[AlignedSearch], NDArray[np.float32]]

NAMES = ("near_copy", "near_copy_pixels")
NEIGHBOURS = 3
AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class CopyDescriptors:
    """Descriptors of images for the gates: features (N, D), fingerprints (N, 1024), thumbnails (N, 2304)."""

    features: Features
    prints: Features
    thumbs: Thumbnails


@dataclass(frozen=True, slots=True)
class CopyGates:
    """Both gates set on validation images, the training images they search, and how many set none as copies."""

    train: CopyDescriptors
    subjects: NDArray[np.int64]
    search: AlignedSearch
    features: CopyGate | Unset
    pixels: AlignedGate | Unset
    validation_copies: int

    @classmethod
    def fit(
        cls,
        train: CopyDescriptors,
        subjects: Sequence[int],
        validation: CopyDescriptors,
        validation_subjects: Sequence[int],
        kept_distances: KeptDistances | None = None,
    ) -> Self:
        """Set thresholds on the validation images that are no training images themselves.

        `kept_distances` gives the distances (M, 4) of all of them where they are kept in a file.
        """
        of_train, of_validation = np.array(subjects), np.array(validation_subjects)
        search = AlignedSearch(train.thumbs, of_train)
        copied = _is_training_image(validation.prints, train.prints, of_train)
        tuning_subjects = of_validation[~copied].tolist()
        by_features = _search(validation.features[~copied], train.features, of_train, _as_it_is)
        if kept_distances is not None:
            by_pixels = kept_distances(search)[~copied]
        else:
            by_pixels = search.nearest(validation.thumbs[~copied]).distances
        gates = fit_copy_gate(by_features.distances, tuning_subjects), fit_aligned_gate(by_pixels, tuning_subjects)
        return cls(train, of_train, search, *gates, int(copied.sum()))

    def is_training_image(self, prints: Features) -> NDArray[np.bool_]:
        """Which held-out images, by their fingerprints, are training images: published splits leak."""
        return _is_training_image(prints, self.train.prints, self.subjects)

    def nearest(self, images: CopyDescriptors, report: OnProgress = silent) -> tuple[Nearest, Aligned]:
        """The nearest training image of each, and of another subject: by features, and registered."""
        by_features = _search(images.features, self.train.features, self.subjects, _as_it_is)
        return by_features, self.search.nearest(images.thumbs[np.arange(len(images.thumbs))], report)

    def blocked(self, nearest: tuple[Nearest, Aligned]) -> NDArray[np.bool_]:
        """(N, 2): whether each gate blocks each image."""
        columns = [
            [_judge(gate, distances).verdict == "block" for distances in nearest_two.distances.tolist()]
            for gate, nearest_two in zip((self.features, self.pixels), nearest, strict=True)
        ]
        return np.array(columns).T.reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class CopySearch:
    """The gates by name, how many validation images set none since they are copies, and each image's neighbours."""

    gates: dict[str, CopyGate | AlignedGate | Unset]
    validation_copies: int
    neighbours: list[Neighbours]


def find_copies(
    described: Mapping[str, CopyDescriptors],
    train: Sequence[Reference],
    validation: Sequence[Reference],
    checks: Sequence[list[Check]],
    kept_distances: KeptDistances,
    report: OnProgress,
) -> CopySearch:
    """Add `near_copy` (features) and `near_copy_pixels` (registered) to each image's checks.

    `described` has the sets `train`, `validation` and `batch`. Neighbours are the three nearest training images by
    features, and the nearest by pixels.
    """
    if not train:
        missing = Unset("no real training image of this shape")
        for image_checks in checks:
            image_checks += [Check(name, 2.0, str(missing), missing.verdict(2.0)) for name in NAMES]
        return CopySearch(dict.fromkeys(NAMES, missing), 0, [[] for _ in checks])
    subjects, of_validation = ([image.subject_id for image in images] for images in (train, validation))
    gates = CopyGates.fit(described["train"], subjects, described["validation"], of_validation, kept_distances)
    nearest_by_gate = gates.nearest(described["batch"], report)
    by_name: dict[str, CopyGate | AlignedGate | Unset] = dict(zip(NAMES, (gates.features, gates.pixels), strict=True))
    with_detail = nearest_by_gate[1].stands_out_in_detail
    for name, nearest_two in zip(NAMES, nearest_by_gate, strict=True):
        for row, distances in enumerate(nearest_two.distances.tolist()):
            judged = _judge(by_name[name], distances)
            checks[row].append(Check(name, judged.distance, judged.threshold, judged.verdict))
            if judged.with_detail is not None:
                with_detail[row] = judged.with_detail
    by_pixels = nearest_by_gate[1].compared(with_detail)
    three = nearest(described["batch"].features, described["train"].features, k=min(NEIGHBOURS, len(train)))
    neighbours = [
        _neighbours(train, three.positions[row], three.distances[row], "features")
        + _neighbours(train, by_pixels.positions[row, :1], by_pixels.distances[row, :1], "pixels")
        for row in range(len(checks))
    ]
    return CopySearch(by_name, gates.validation_copies, neighbours)


def search_file(directory: Path, train: Sequence[str], subjects: Sequence[int], search: AlignedSearch) -> FeatureFile:
    """The file of four distances of held-out images to these training files of these subjects.

    Other training images are another file; the thresholds of a project are set from it at every screening.
    """
    name = f"laid-over-1-{digest_of([list(train), list(subjects)])[:16]}"
    return FeatureFile(directory, name, 4, lambda pixels: search.nearest(thumbnails(pixels)).distances)


def _is_training_image(prints: Features, train: Features, subjects: NDArray[np.int64]) -> NDArray[np.bool_]:
    return copied_in_cohort(_search(prints, train, subjects, placements).distances)


def _as_it_is(vectors: Features) -> Features:
    return vectors[None]


def _search(
    queries: Features, references: Features, subjects: NDArray[np.int64], versions: Callable[[Features], Features]
) -> Nearest:
    """Search in portions, since each query may have 18 placements."""
    parts = [
        nearest_of_two_groups(versions(queries[start : start + AT_ONCE]), references, subjects)
        for start in range(0, len(queries), AT_ONCE)
    ]
    if not parts:
        return Nearest(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.int64))
    return Nearest(np.concatenate([p.distances for p in parts]), np.concatenate([p.positions for p in parts]))


def _judge(gate: CopyGate | AlignedGate | Unset, distances: Sequence[float]) -> CopyVerdict:
    if isinstance(gate, Unset):
        verdict = "block" if distances[0] < EXACT else gate.verdict(distances[0])
        return CopyVerdict(verdict, distances[0], str(gate))
    return gate.judge(*distances)


def _neighbours(
    references: Sequence[Reference], positions: NDArray[np.int64], distances: NDArray[np.float32], by: str
) -> Neighbours:
    return [
        {"image_id": references[int(position)].image_id, "distance": round(float(distance), 6), "by": by}
        for position, distance in zip(positions, distances, strict=True)
    ]
