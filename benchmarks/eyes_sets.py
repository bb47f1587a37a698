"""Real images of three data sets in three disjoint parts, and sets with a known fault made of them.

`reference` is what is compared with, `held_out` the floor, and `pool` gives the sets that take the place of generated
images. No subject stands in two parts: virtual brains from number 40,000 on, on which nothing was chosen; training and
validation images of PneumoniaMNIST, whose subjects are not published; blood cells by photograph. A test split is never
read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.backbones import FIRST_SUBJECT, Part, cells, chest
from curation.alterations.faults import Fault
from curation.alterations.replay import PIXEL_DEFECTS, draw_defect, replay
from curation.ingest.virtual_brains.render import CLASSES, render_many, split_of

MANY, FEW = 150, 80  # images of a set: with enough subjects, and of the blood cells
DRAWN = 450  # images of a set where the generator is measured
X_RAYS, X_RAY_POOL = 300, 460  # of reference and held-out part, and of the pool, where few are normal
POOL = 360
MIX_SHARE = 0.6  # of one class where the mix of classes is wrong
REPEATS = 5
BROKEN_EVERY = 5  # one image of so many has a planted defect

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Subgroup:
    """A part of one class: which images of the reference and of the pool belong to it."""

    label: int
    of_reference: Mask
    of_pool: Mask


@dataclass(frozen=True)
class EyeData:
    """Three disjoint parts with subgroups, the size of the sets, and the class that a fault favours or leaves out."""

    name: str
    classes: tuple[str, ...]
    n: int
    reference: Part
    held_out: Part
    pool: Part
    subgroups: Mapping[str, Subgroup]
    odd_class: int


def take(part: Part, places: NDArray[np.int64]) -> Part:
    """The images at these places."""
    return Part(part.pixels[places], part.labels[places], part.units[places])


def choose(
    part: Part, n: int, seed: int, quotas: NDArray[np.int64] | None = None, allowed: Mask | None = None
) -> NDArray[np.int64]:
    """Places of `n` images, one a unit, in random order; with `quotas` so many of each class, only `allowed` ones."""
    order = np.random.default_rng([seed, n]).permutation(len(part.labels))
    left = None if quotas is None else quotas.copy()
    used: set[int] = set()
    places = []
    for place in order.tolist():
        label, unit = int(part.labels[place]), int(part.units[place])
        if unit in used or (left is not None and not left[label]) or (allowed is not None and not allowed[place]):
            continue
        used.add(unit)
        if left is not None:
            left[label] -= 1
        places.append(place)
    if len(places) < n:
        raise SystemExit(f"expected {n} images of different subjects, got {len(places)}: lower n of this data set")
    return np.array(places[:n], np.int64)


def quotas_of(labels: Labels, n: int, classes: int, share: Mapping[int, float]) -> NDArray[np.int64]:
    """How many of `n` images each class has: as in `labels`, but for the classes whose share is given."""
    natural = np.bincount(labels, minlength=classes) / len(labels)
    rest = 1 - sum(natural[label] for label in share)
    shares = np.array([share.get(label, natural[label] / rest * (1 - sum(share.values()))) for label in range(classes)])
    quotas = np.floor(n * shares).astype(np.int64)
    quotas[int(shares.argmax())] += n - quotas.sum()
    return quotas


def brain_data() -> EyeData:
    """Virtual brains; subgroups of the ring lesions by what their captions say."""
    ring = CLASSES.index("ring_lesion")

    def rendered(split: str, number: int) -> tuple[Part, list[str]]:
        chosen = list(islice((n for n in count(FIRST_SUBJECT) if split_of(n) == split), number))
        slices = list(render_many(chosen))
        labels = np.array([CLASSES.index(brain.label) for brain in slices])
        pixels = np.stack([brain.pixels[:, :, None] for brain in slices])
        return Part(pixels, labels, np.arange(number)), [brain.caption for brain in slices]

    train, captions = rendered("train", DRAWN + POOL)
    held_out, _ = rendered("validation", DRAWN)
    first, rest = np.arange(DRAWN), np.arange(DRAWN, DRAWN + POOL)
    subgroups = {}
    for word in ("left", "frontal"):
        members = np.array([f" {word}" in caption for caption in captions]) & (train.labels == ring)
        subgroups[f"ring lesions, {word}"] = Subgroup(ring, members[first], members[rest])
    return EyeData("cohort", CLASSES, MANY, take(train, first), held_out, take(train, rest), subgroups, ring)


def darkest(label: int, reference: Part, pool: Part) -> Subgroup:
    """The third of a class with the lowest mean gray, by the reference's limit."""
    grays = [part.pixels.reshape(len(part.pixels), -1).mean(axis=1) for part in (reference, pool)]
    limit = np.quantile(grays[0][reference.labels == label], 1 / 3)
    members = [(gray <= limit) & (part.labels == label) for gray, part in zip(grays, (reference, pool), strict=True)]
    return Subgroup(label, *members)


def chest_data(path: Path) -> EyeData:
    """Chest X-rays; the subgroup is the darkest third of those with pneumonia."""
    data = chest(path)
    reference, pool = take(data.train, np.arange(X_RAYS)), take(data.train, np.arange(X_RAYS, X_RAYS + X_RAY_POOL))
    held_out = take(data.held_out, choose(data.held_out, X_RAYS, 0))
    subgroups = {"pneumonia, darkest third": darkest(1, reference, pool)}
    return EyeData(data.name, ("normal", "pneumonia"), MANY, reference, held_out, pool, subgroups, 0)


def cell_data(directory: Path) -> EyeData:
    """Blood cells; the subgroup is the darkest third of the red ones."""
    data = cells(directory)
    names = tuple(sorted(path.name for path in directory.iterdir() if path.is_dir()))
    even = data.train.units % 2 == 0
    reference, pool = take(data.train, np.flatnonzero(even)), take(data.train, np.flatnonzero(~even))
    red = names.index("RBC")
    subgroups = {"red cells, darkest third": darkest(red, reference, pool)}
    return EyeData(data.name, names, FEW, reference, data.held_out, pool, subgroups, names.index("Platelets"))


def planted_sets(data: EyeData) -> Iterator[tuple[str, Pixels]]:
    """Yield fresh real images, and sets with one known fault each, by name."""
    of_pool = data.pool.pixels
    classes, n = len(data.classes), data.n
    natural = quotas_of(data.reference.labels, n, classes, {})
    fresh = choose(data.pool, n, 1, natural)
    images = of_pool[fresh]
    yield "fresh real images", images
    for fault in (Fault("blur", 0.8, "% of the edge"), Fault("blur", 1.6, "% of the edge"),
                  Fault("noise", 5, "levels of 255"), Fault("noise", 10, "levels of 255")):  # fmt: skip
        yield fault.name, each(images, fault.apply)
    yield "a planted defect in every fifth", with_defects(images)
    odd = data.classes[data.odd_class].replace("_", " ")
    mixed = quotas_of(data.reference.labels, n, classes, {data.odd_class: MIX_SHARE})
    yield f"{100 * MIX_SHARE:.0f} % {odd}", of_pool[choose(data.pool, n, 1, mixed)]
    without = quotas_of(data.reference.labels, n, classes, {data.odd_class: 0.0})
    yield f"no {odd}", of_pool[choose(data.pool, n, 1, without)]
    for name, subgroup in data.subgroups.items():
        yield f"no {name}", of_pool[choose(data.pool, n, 1, natural, ~subgroup.of_pool)]
    few = choose(data.pool, n // REPEATS, 1, quotas_of(data.reference.labels, n // REPEATS, classes, {}))
    yield f"{n // REPEATS} images, each {REPEATS} times", of_pool[np.repeat(few, REPEATS)]
    copies = each(reference_of(data).pixels, Fault("noise", 2, "levels of 255").apply)
    yield "copies of the reference, noise of 2 levels", copies


def reference_of(data: EyeData) -> Part:
    """The `n` real images, one a subject, that every set is compared with."""
    return take(data.reference, choose(data.reference, data.n, 0))


def each(pixels: Pixels, change: Callable[[Any, int], Any]) -> Pixels:
    """Apply a change to every image, each with a seed of its own."""
    return np.stack([change(image, seed) for seed, image in enumerate(pixels)])


def defective(image: Pixels, kind: str, seed: int) -> Pixels:
    """An image with the planted defect of a kind, as readers are shown it."""
    return np.asarray(replay(image, draw_defect(image, kind, seed)), np.uint8)


def with_defects(pixels: Pixels) -> Pixels:
    """The images, every fifth with a planted defect; the kinds take turns."""
    broken = pixels.copy()
    for turn, place in enumerate(range(0, len(pixels), BROKEN_EVERY)):
        broken[place] = defective(pixels[place], PIXEL_DEFECTS[turn % len(PIXEL_DEFECTS)], place)
    return broken
