"""Runs that keep their sums, and what their cards say of them. Torch-free."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from curation.errors import BadInput, Conflict, NotFound
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.solve import Head
from train.sums.sums import Floats


def read_summed_card(directory: Path) -> dict[str, Any]:
    """Read the card of a finished run that keeps its sums; raises NotFound without a card, BadInput without sums."""
    path = directory / "card.json"
    if not path.is_file():
        raise NotFound(
            f"{directory.name!r} is not a finished run: expected card.json in it, got none. `rounds run list` shows "
            "those that are."
        )
    if not (directory / KEPT_SUMS).is_file():
        raise BadInput(
            f"run {directory.name!r} keeps no sums: expected a run of `--adaptation ridge`. Train one; with "
            "features at hand it takes seconds."
        )
    card: dict[str, Any] = json.loads(path.read_text())
    if "summed" not in card:
        raise BadInput(
            f"run {directory.name!r} was solved from a file of sums and has no training images of its own. Name a run "
            "of `--adaptation ridge`, or send the file itself."
        )
    return card


def refuse_other_backbone(card: dict[str, Any], digest: str) -> None:
    """Raise Conflict when the run was adapted from another backbone, or from another version of it."""
    if card["backbone"]["digest"] != digest:
        of_sums = card["backbone"]
        raise Conflict(
            f"the sums are of the backbone {of_sums['name']} with digest {of_sums['digest'][:12]}, got one with digest "
            f"{digest[:12]}: features of two backbones cannot be added. Use the same backbone."
        )


def describe_solved(solved: Head, chosen_by: str) -> dict[str, Any]:
    """What the card says of the penalty."""
    return {"penalty": {"value": solved.penalty, "by": chosen_by}}


def describe_sums(kept: KeptSums, solved: Head, chosen_by: str) -> dict[str, Any]:
    """What the card says of a head that was solved, and of the training images that this run summed."""
    trained = [image for image in kept.rows.images if image.split == "train"]
    subjects = len({image.subject for image in trained if image.subject})
    return describe_solved(solved, chosen_by) | {"summed": {"images": len(trained), "subjects": subjects}}


def prior_of(kept: KeptSums, class_weights: dict[str, float] | None) -> Floats:
    """How often each class is expected: alike or by class weights, without any as in training."""
    if class_weights is None:
        return np.maximum(kept.train.class_totals, np.finfo(float).tiny)
    return np.array([class_weights.get(name, 1.0) for name in kept.train.classes], dtype=np.float64)
