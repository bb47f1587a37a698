"""The coverage map: real modes and subgroups against what was drawn and kept, and a picture of where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

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
MOST_POINTS = 800  # of real and of drawn images each, in the picture


@dataclass(frozen=True)
class Cast:
    """Who takes part: one real training image a subject and class, and the drawn images of those classes."""

    real: list[int]
    real_classes: list[str]
    drawn: list[int]
    drawn_classes: list[str]
    modes: dict[str, Modes]


def curation_map(sets: Sets, vectors: SetVectors, keep_measured: bool, seed: int) -> dict[str, Any]:
    """Representation, odds and picture; `keep_measured` counts the measured images as kept where nothing was read."""
    cast = _cast(sets, vectors, seed)
    groupings = _groupings(sets, vectors, cast)
    drawn = [sets.drawn[place] for place in cast.drawn]
    verdicts = [one.verdict for one in drawn]
    kept = [one.measured if keep_measured else one.verdict is OutcomeVerdict.APPROVED for one in drawn]
    looked_at = [one for one in groupings if one.real is not None]
    looks = sum(len(set(one.real or ())) for one in looked_at)
    covered = _covered(sets, vectors, cast, kept, seed)
    rows = [
        _with_coverage(row, one, cast, covered)
        for one in looked_at
        for row in representation(one, cast.real_classes, cast.drawn_classes, kept, looks)
    ]
    odds = [row for one in groupings for row in acceptance_odds(one, cast.drawn_classes, verdicts)]
    return {
        "kept": sum(kept),
        "looks": looks,
        "modes": [_mode(sets, cast, label, place) for label in cast.modes for place in range(_size(cast, label))],
        "representation": [row.as_json() for row in rows],
        "borrowed": [one.name for one in groupings if one.borrowed],
        "odds": [row.as_json() for row in odds],
        "points": _points(sets, vectors, cast, seed),
    }


def _cast(sets: Sets, vectors: SetVectors, seed: int) -> Cast:
    by_class: dict[str, list[int]] = {}
    for place, one in enumerate(sets.train):
        if one.label is not None:
            by_class.setdefault(one.label, []).append(place)
    picked = {label: one_a_subject(sets.train, places, seed)[:MOST_REAL] for label, places in sorted(by_class.items())}
    picked = {label: places for label, places in picked.items() if len(places) >= LEAST_REAL}
    modes = {label: find_modes(vectors.train.features[places], seed) for label, places in picked.items()}
    drawn = [place for place, one in enumerate(sets.drawn) if one.label in modes]
    return Cast(
        real=[place for places in picked.values() for place in places],
        real_classes=[label for label, places in picked.items() for _ in places],
        drawn=drawn,
        drawn_classes=[sets.drawn[place].label for place in drawn],
        modes=modes,
    )


def _size(cast: Cast, label: str) -> int:
    return len(cast.modes[label].centres)


def _mode(sets: Sets, cast: Cast, label: str, place: int) -> dict[str, Any]:
    """A mode's name, the image in its middle, and how far the modes of its class depend on chance."""
    of_class = [one for one, name in zip(cast.real, cast.real_classes, strict=True) if name == label]
    image = sets.train[of_class[cast.modes[label].medoids[place]]]
    return {
        "level": f"{label} {place + 1}",
        "class": label,
        "medoid_image_id": image.image_id,
        "stability": cast.modes[label].stability,
    }


def _groupings(sets: Sets, vectors: SetVectors, cast: Cast) -> list[Grouping]:
    """Modes within classes, classes, covariates, and settings; what has one level only says nothing and is left out."""
    real_features, drawn_features = vectors.train.features[cast.real], vectors.drawn.features[cast.drawn]
    real_modes, drawn_modes = (
        _by_class(classes, lambda label, here, some=some: [
            f"{label} {mode + 1}" for mode in cast.modes[label].nearest(some[here])
        ])
        for some, classes in ((real_features, cast.real_classes), (drawn_features, cast.drawn_classes))
    )  # fmt: skip
    found = [
        Grouping("mode", real_modes, drawn_modes, within_class=True),
        Grouping("class", cast.real_classes, cast.drawn_classes),
    ]
    nearest = _nearest_of_class(real_features, drawn_features, cast)
    for name in sorted({name for place in cast.real for name in sets.train[place].covariates}):
        levels = levels_of([sets.train[place].covariates.get(name) for place in cast.real])
        found.append(Grouping(name, levels, [levels[place] for place in nearest], borrowed=True))
    for name in ("generator", "batch", *SETTINGS):
        values = [sets.drawn[place].settings.get(name, "unknown") for place in cast.drawn]
        found.append(Grouping(name, None, values))
    return [one for one in found if len(set(one.real if one.real is not None else one.drawn)) > 1]


def _by_class(classes: Sequence[str], values_of: Any) -> list[str]:
    found = [""] * len(classes)
    for label in sorted(set(classes)):
        here = [place for place, name in enumerate(classes) if name == label]
        for place, value in zip(here, values_of(label, here), strict=True):
            found[place] = value
    return found


def _nearest_of_class(real: Vectors, drawn: Vectors, cast: Cast) -> list[int]:
    """For each drawn image the position of the nearest real training image of its class."""
    found = [0] * len(drawn)
    classes = np.array(cast.real_classes, dtype=str)
    for label in sorted(set(cast.drawn_classes)):
        own = np.flatnonzero(classes == label)
        here = [place for place, name in enumerate(cast.drawn_classes) if name == label]
        for place, nearest in zip(here, manifold.nearest(drawn[here], real[own])[0], strict=True):
            found[place] = int(own[nearest])
    return found


@dataclass(frozen=True, slots=True)
class Covered:
    """Which real images have a kept, and which a held-out image in their ball; `asked` where it could be said."""

    asked: NDArray[np.bool_]
    by_kept: NDArray[np.bool_]
    by_held_out: NDArray[np.bool_]


def _covered(sets: Sets, vectors: SetVectors, cast: Cast, kept: Sequence[bool], seed: int) -> Covered:
    """Within each class, by as many kept as held-out images (one a subject), drawn at random."""
    found = Covered(*(np.zeros(len(cast.real), bool) for _ in range(3)))
    for label in cast.modes:
        here = np.flatnonzero(np.array(cast.real_classes, dtype=str) == label)
        own = [place for place, one in enumerate(sets.validation) if one.label == label]
        held_out = one_a_subject(sets.validation, own, seed)
        taken = [
            place
            for place, name, keep in zip(cast.drawn, cast.drawn_classes, kept, strict=True)
            if keep and name == label
        ]
        m = min(len(held_out), len(taken))
        if m < LEAST_COVERING or len(here) <= manifold.COVERAGE_K:
            continue
        real = vectors.train.features[[cast.real[place] for place in here]]
        within = manifold.distances(real, real)
        found.asked[here] = True
        for target, features in (
            (found.by_kept, vectors.drawn.features[shuffled(taken, seed)[:m]]),
            (found.by_held_out, vectors.validation.features[held_out[:m]]),
        ):
            target[here] = manifold.covered(within, manifold.distances(real, features))
    return found


def _with_coverage(row: Represented, grouping: Grouping, cast: Cast, covered: Covered) -> Represented:
    levels, classes = np.array(grouping.real, dtype=str), np.array(cast.real_classes, dtype=str)
    here = (levels == row.level) & covered.asked
    if row.of_class:
        here &= classes == row.of_class
    n = int(here.sum())
    if not n:
        return row
    return replace(
        row,
        covered=Count.of(int(covered.by_kept[here].sum()), n),
        covered_floor=Count.of(int(covered.by_held_out[here].sum()), n),
    )


def _points(sets: Sets, vectors: SetVectors, cast: Cast, seed: int) -> list[dict[str, Any]]:
    """A plane in which near images lie near (t-SNE of principal components): a picture, measures nothing."""
    real, drawn = (sorted(shuffled(range(len(some)), seed)[:MOST_POINTS]) for some in (cast.real, cast.drawn))
    features = np.concatenate([
        vectors.train.features[[cast.real[place] for place in real]],
        vectors.drawn.features[[cast.drawn[place] for place in drawn]],
    ])  # fmt: skip
    if len(features) < LEAST_REAL:
        return []
    reduced = PCA(min(COMPONENTS, len(features) - 1, features.shape[1]), svd_solver="full").fit_transform(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    plane = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    kinds = ["real"] * len(real) + [str(sets.drawn[cast.drawn[place]].verdict or "unread") for place in drawn]
    labels = [cast.real_classes[place] for place in real] + [cast.drawn_classes[place] for place in drawn]
    return [
        {"x": round(float(x), 2), "y": round(float(y), 2), "kind": kind, "class": label}
        for (x, y), kind, label in zip(plane, kinds, labels, strict=True)
    ]
