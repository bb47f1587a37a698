"""The coverage map: real modes and subgroups against generated and kept images, and where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from curation.estimates import as_saved
from curation.tables.reading import OutcomeVerdict
from screening.set_measures import manifold
from screening.set_measures.curated import Count, Represented, acceptance_odds, representation
from screening.set_measures.distances import Vectors
from screening.set_measures.modes import COMPONENTS, Grouping, Modes, find_modes, levels_of
from screening.set_measures.sets import SETTINGS, Sets
from screening.set_measures.vectors import SetVectors, one_a_subject, shuffled

LEAST_REAL = 10  # subjects of a class, to look for modes at all
MOST_REAL = 2_000  # subjects of a class, drawn by the seed: the distances between all of them are held in memory
LEAST_COVERING = 10  # kept and held-out images of a class, to say which real ones they cover
MOST_POINTS = 800  # of real and of drawn images each


@dataclass(frozen=True)
class MapImages:
    """The images of the map: one real training image a subject and class, and the generated images of those classes."""

    real: list[int]
    real_classes: list[str]
    drawn: list[int]
    drawn_classes: list[str]
    modes: dict[str, Modes]


def curation_map(sets: Sets, vectors: SetVectors, keep_measured: bool, seed: int) -> dict[str, Any]:
    """Representation, odds and points of the map; `keep_measured` counts measured images as kept."""
    images = _map_images(sets, vectors, seed)
    groupings = _groupings(sets, vectors, images)
    drawn = [sets.drawn[place] for place in images.drawn]
    verdicts = [image.verdict for image in drawn]
    kept = [image.measured if keep_measured else image.verdict is OutcomeVerdict.APPROVED for image in drawn]
    with_real = [grouping for grouping in groupings if grouping.real is not None]
    looks = sum(len(set(grouping.real or ())) for grouping in with_real)
    covered = _covered(sets, vectors, images, kept, seed)
    rows = [
        _with_coverage(row, grouping, images, covered)
        for grouping in with_real
        for row in representation(grouping, images.real_classes, images.drawn_classes, kept, looks)
    ]
    odds = [row for grouping in groupings for row in acceptance_odds(grouping, images.drawn_classes, verdicts)]
    return {
        "kept": sum(kept),
        "looks": looks,
        "modes": [_mode(sets, images, label, place) for label in images.modes for place in range(_size(images, label))],
        "representation": [as_saved(row) for row in rows],
        "borrowed": [grouping.name for grouping in groupings if grouping.borrowed],
        "odds": [as_saved(row) for row in odds],
        "points": _points(sets, vectors, images, seed),
    }


def _map_images(sets: Sets, vectors: SetVectors, seed: int) -> MapImages:
    by_class: dict[str, list[int]] = {}
    for place, image in enumerate(sets.train):
        if image.label is not None:
            by_class.setdefault(image.label, []).append(place)
    picked = {label: one_a_subject(sets.train, places, seed)[:MOST_REAL] for label, places in sorted(by_class.items())}
    picked = {label: places for label, places in picked.items() if len(places) >= LEAST_REAL}
    modes = {label: find_modes(vectors.train.features[places], seed) for label, places in picked.items()}
    drawn = [place for place, image in enumerate(sets.drawn) if image.label in modes]
    return MapImages(
        real=[place for places in picked.values() for place in places],
        real_classes=[label for label, places in picked.items() for _ in places],
        drawn=drawn,
        drawn_classes=[sets.drawn[place].label for place in drawn],
        modes=modes,
    )


def _size(images: MapImages, label: str) -> int:
    return len(images.modes[label].centres)


def _mode(sets: Sets, images: MapImages, label: str, number: int) -> dict[str, Any]:
    """A mode's name, the image in its middle, and how far the modes of its class depend on chance."""
    of_class = [number for number, name in zip(images.real, images.real_classes, strict=True) if name == label]
    image = sets.train[of_class[images.modes[label].medoids[number]]]
    return {
        "level": f"{label} {number + 1}",
        "class": label,
        "medoid_image_id": image.image_id,
        "stability": images.modes[label].stability,
    }


def _groupings(sets: Sets, vectors: SetVectors, images: MapImages) -> list[Grouping]:
    """Group by modes within classes, classes, covariates and settings; a grouping of one level is left out."""
    real_features, drawn_features = vectors.train.features[images.real], vectors.drawn.features[images.drawn]
    real_modes, drawn_modes = (
        _by_class(classes, lambda label, places, features=features: [
            f"{label} {mode + 1}" for mode in images.modes[label].nearest(features[places])
        ])
        for features, classes in ((real_features, images.real_classes), (drawn_features, images.drawn_classes))
    )  # fmt: skip
    groupings = [
        Grouping("mode", real_modes, drawn_modes, within_class=True),
        Grouping("class", images.real_classes, images.drawn_classes),
    ]
    nearest = _nearest_of_class(real_features, drawn_features, images)
    for name in sorted({name for place in images.real for name in sets.train[place].covariates}):
        levels = levels_of([sets.train[place].covariates.get(name) for place in images.real])
        groupings.append(Grouping(name, levels, [levels[place] for place in nearest], borrowed=True))
    for name in ("generator", "batch", *SETTINGS):
        values = [sets.drawn[place].settings.get(name, "unknown") for place in images.drawn]
        groupings.append(Grouping(name, None, values))
    return [
        grouping
        for grouping in groupings
        if len(set(grouping.real if grouping.real is not None else grouping.drawn)) > 1
    ]


def _by_class(classes: Sequence[str], values_of: Any) -> list[str]:
    values_by_place = [""] * len(classes)
    for label in sorted(set(classes)):
        places = [place for place, name in enumerate(classes) if name == label]
        for place, value in zip(places, values_of(label, places), strict=True):
            values_by_place[place] = value
    return values_by_place


def _nearest_of_class(real: Vectors, drawn: Vectors, images: MapImages) -> list[int]:
    """Positions of the nearest real training image of its class, for each generated image."""
    positions = [0] * len(drawn)
    classes = np.array(images.real_classes, dtype=str)
    for label in sorted(set(images.drawn_classes)):
        real_of_class = np.flatnonzero(classes == label)
        drawn_of_class = [place for place, name in enumerate(images.drawn_classes) if name == label]
        nearest_places, _ = manifold.nearest(drawn[drawn_of_class], real[real_of_class])
        for place, nearest in zip(drawn_of_class, nearest_places, strict=True):
            positions[place] = int(real_of_class[nearest])
    return positions


@dataclass(frozen=True, slots=True)
class Covered:
    """The real images with a kept or a held-out image in their ball; `asked` where that was determined."""

    asked: NDArray[np.bool_]
    by_kept: NDArray[np.bool_]
    by_held_out: NDArray[np.bool_]


def _covered(sets: Sets, vectors: SetVectors, images: MapImages, kept: Sequence[bool], seed: int) -> Covered:
    """Find covered real images of each class, by as many kept as held-out images, chosen at random."""
    covered = Covered(*(np.zeros(len(images.real), bool) for _ in range(3)))
    for label in images.modes:
        of_class = np.flatnonzero(np.array(images.real_classes, dtype=str) == label)
        validation_of_class = [place for place, image in enumerate(sets.validation) if image.label == label]
        held_out = one_a_subject(sets.validation, validation_of_class, seed)
        kept_of_class = [
            place
            for place, name, keep in zip(images.drawn, images.drawn_classes, kept, strict=True)
            if keep and name == label
        ]
        count = min(len(held_out), len(kept_of_class))
        if count < LEAST_COVERING or len(of_class) <= manifold.COVERAGE_K:
            continue
        real = vectors.train.features[[images.real[place] for place in of_class]]
        within = manifold.distances(real, real)
        covered.asked[of_class] = True
        for target, features in (
            (covered.by_kept, vectors.drawn.features[shuffled(kept_of_class, seed)[:count]]),
            (covered.by_held_out, vectors.validation.features[held_out[:count]]),
        ):
            target[of_class] = manifold.covered(within, manifold.distances(real, features))
    return covered


def _with_coverage(row: Represented, grouping: Grouping, images: MapImages, covered: Covered) -> Represented:
    levels, classes = np.array(grouping.real, dtype=str), np.array(images.real_classes, dtype=str)
    of_level = (levels == row.level) & covered.asked
    if row.of_class:
        of_level &= classes == row.of_class
    n = int(of_level.sum())
    if not n:
        return row
    return replace(
        row,
        covered=Count.of(int(covered.by_kept[of_level].sum()), n),
        covered_floor=Count.of(int(covered.by_held_out[of_level].sum()), n),
    )


def _points(sets: Sets, vectors: SetVectors, images: MapImages, seed: int) -> list[dict[str, Any]]:
    """A plane in which near images lie near (t-SNE of principal components); it measures nothing."""
    real, drawn = (
        sorted(shuffled(range(len(positions)), seed)[:MOST_POINTS]) for positions in (images.real, images.drawn)
    )
    features = np.concatenate([
        vectors.train.features[[images.real[place] for place in real]],
        vectors.drawn.features[[images.drawn[place] for place in drawn]],
    ])  # fmt: skip
    if len(features) < LEAST_REAL:
        return []
    reduced = PCA(min(COMPONENTS, len(features) - 1, features.shape[1]), svd_solver="full").fit_transform(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    plane = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    kinds = ["real"] * len(real) + [str(sets.drawn[images.drawn[place]].verdict or "unread") for place in drawn]
    labels = [images.real_classes[place] for place in real] + [images.drawn_classes[place] for place in drawn]
    return [
        {"x": round(float(x), 2), "y": round(float(y), 2), "kind": kind, "class": label}
        for (x, y), kind, label in zip(plane, kinds, labels, strict=True)
    ]
