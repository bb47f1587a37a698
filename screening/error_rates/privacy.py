"""How often the privacy gate catches a copy, and how often it blocks an image that copied nobody.

Copies are changed real training images; images that copied nobody are real images of validation subjects that set no
threshold, as they are and through an autoencoder. "Caught" is claimed for a kind and severity of change where the lower
Clopper-Pearson bound of the share that is blocked is at least 95 %.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.alterations.copy_changes import COPY_CHANGES, RoundTrip, change_copies
from curation.estimates import rounded_interval, rounded_proportion
from curation.image_store import Pixels
from curation.progress import OnProgress
from curation.requests import FrozenRequest
from screening.checks.check import Unset
from screening.copies.find import CopyDescriptors, CopyGates
from screening.copies.gates import FALSE_BLOCKS, half_of_subjects

Describe = Callable[[Pixels], CopyDescriptors]

CAUGHT = 0.95
ROUND_TRIPS = (1, 2, 3)
SHOWN = 4  # example pairs kept of each kind of change


class PrivacyPlan(FrozenRequest):
    """How many copies of each kind and severity, and of which random draw."""

    copies: Annotated[int, Field(ge=1)] = 200
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class RealSplit:
    """Real images of one split: how the gates see them, whose they are, and how to read their pixels."""

    described: CopyDescriptors
    subjects: Sequence[int]
    pixels: Callable[[NDArray[np.int64]], Pixels]


@dataclass(frozen=True, slots=True)
class Example:
    """A copy, its source, and whether the gates caught it."""

    kind: str
    severity: float
    caught: bool
    copy: Pixels
    source: Pixels


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind and severity of change, and the call that makes the copies."""

    kind: str
    severity: float
    make: Callable[[], Pixels]


def reached(caught: dict[str, Any]) -> str:
    """`yes` or `no` by the lower bound; `cannot be said` where even all of so few would not reach it."""
    if rounded_interval(caught["n"], caught["n"])[0] < CAUGHT:
        return "cannot be said"
    return "yes" if caught["low"] >= CAUGHT else "no"


def measure_gate(
    train: RealSplit,
    validation: RealSplit,
    describe: Describe,
    round_trip: RoundTrip,
    plan: PrivacyPlan,
    report: OnProgress,
) -> tuple[dict[str, Any], list[Example]]:
    """Set the gates on half of the validation subjects and count on the other half and on changed training images."""
    tuning = half_of_subjects(validation.subjects, plan.seed)
    of_validation = np.array(validation.subjects)
    gates = CopyGates.fit(
        train.described, train.subjects, _rows(validation.described, tuning), of_validation[tuning].tolist()
    )
    unset = [gate.reason for gate in (gates.features, gates.pixels) if isinstance(gate, Unset)]
    counts = {
        "training_images": len(train.subjects),
        "training_subjects": len(set(train.subjects)),
        "tuning_images": int(tuning.sum()),
        "tuning_subjects": len(set(of_validation[tuning].tolist())),
        "measuring_images": int((~tuning).sum()),
        "measuring_subjects": len(set(of_validation[~tuning].tolist())),
        "tuning_images_that_are_training_images": gates.validation_copies,
    }
    if unset:
        return {"counts": counts, "cannot_be_said": unset[0]}, []
    sources = np.sort(np.random.default_rng(plan.seed).permutation(len(train.subjects))[: plan.copies])
    originals = train.pixels(sources)
    cells = changes_of(originals, round_trip, plan.seed)
    rows: list[dict[str, Any]] = []
    examples: list[Example] = []
    for done, cell in enumerate(cells):
        report(done, len(cells) + 1, f"{cell.kind} {cell.severity:g}")
        row, kept = count_copies(gates, sources, originals, cell, describe)
        rows.append(row)
        examples += kept
    report(len(cells), len(cells) + 1, "held-out images")
    negatives = _negatives(gates, validation, np.flatnonzero(~tuning), describe, round_trip)
    report(len(cells) + 1, len(cells) + 1, None)
    thresholds = {"near_copy": gates.features.as_json(), "near_copy_pixels": gates.pixels.as_json()}
    return {"counts": counts, "thresholds": thresholds, "caught": rows, "false_blocks": negatives}, examples


def count_copies(
    gates: CopyGates, sources: NDArray[np.int64], originals: Pixels, cell: Cell, describe: Describe
) -> tuple[dict[str, Any], list[Example]]:
    """Count what the gates block of the training images at positions `sources`, changed as a cell says."""
    copies = cell.make()
    nearest = gates.nearest(describe(copies))
    blocked = gates.blocked(nearest)
    caught = blocked.any(axis=1)
    right = gates.subjects[nearest[1].most_distinctive.positions[:, 0]] == gates.subjects[sources]
    counted = rounded_proportion(int(caught.sum()), len(caught))
    row = {"kind": cell.kind, "severity": cell.severity, **counted, "reached": reached(counted)}
    row |= {"by_features": int(blocked[:, 0].sum()), "by_pixels": int(blocked[:, 1].sum())}
    row |= {"source_subject_found": int(right.sum())}
    return row, _examples(cell, caught, copies, originals)


def changes_of(originals: Pixels, round_trip: RoundTrip, seed: int) -> list[Cell]:
    """Unchanged copies, every kind and severity, and one to three round trips through the autoencoder."""
    wanted = [(name, severity) for name, kind in COPY_CHANGES.items() for severity in kind.severities]
    cells = [
        Cell(name, severity, partial(change_copies, originals, name, severity, seed + 1_000 * number))
        for number, (name, severity) in enumerate(wanted)
    ]
    trips = [Cell("autoencoder", times, partial(_repeatedly, round_trip, originals, times)) for times in ROUND_TRIPS]
    return [Cell("none", 0, lambda: originals), *cells, *trips]


def _repeatedly(round_trip: RoundTrip, pixels: Pixels, times: int) -> Pixels:
    for _ in range(times):
        pixels = round_trip(pixels)
    return pixels


def _negatives(
    gates: CopyGates, validation: RealSplit, held_out: NDArray[np.int64], describe: Describe, round_trip: RoundTrip
) -> list[dict[str, Any]]:
    """False blocks among the measuring subjects' images, those that are training images themselves left out."""
    pixels = validation.pixels(held_out)
    described = _rows(validation.described, held_out)
    original = ~gates.is_training_image(described.prints)
    rows = []
    for name, images in (
        ("held-out images", described),
        ("held-out images, autoencoder", describe(round_trip(pixels))),
    ):
        blocked = gates.blocked(gates.nearest(images))[original]
        counted = rounded_proportion(int(blocked.any(axis=1).sum()), len(blocked))
        rows.append(
            {"kind": name, **counted, "left_out": int((~original).sum()), "asked": FALSE_BLOCKS}
            | {"by_features": int(blocked[:, 0].sum()), "by_pixels": int(blocked[:, 1].sum())}
            | {"within": _within(counted)}
        )
    return rows


def _within(counted: dict[str, Any]) -> str:
    """Whether at most 1 % are blocked: shown, refuted, or neither by so few images."""
    if counted["high"] <= FALSE_BLOCKS:
        return "yes"
    return "no" if counted["low"] > FALSE_BLOCKS else "cannot be said"


def _rows(described: CopyDescriptors, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> CopyDescriptors:
    return CopyDescriptors(described.features[chosen], described.prints[chosen], described.thumbs[chosen])


def _examples(cell: Cell, caught: NDArray[np.bool_], copies: Pixels, originals: Pixels) -> list[Example]:
    """The first few missed, and one caught."""
    chosen = [*np.flatnonzero(~caught)[:SHOWN].tolist(), *np.flatnonzero(caught)[:1].tolist()]
    return [
        Example(cell.kind, cell.severity, bool(caught[position]), copies[position], originals[position])
        for position in chosen
    ]
