"""Membership inference on a project's images: members, non-members and reference of generators."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.estimates import as_saved
from curation.tables.generation import GeneratorPixels, GeneratorSubject
from screening.set_measures.distances import Vectors
from screening.set_measures.manifold import nearest
from screening.set_measures.membership import (
    LEAST_MEMBERS,
    area_under_curve,
    balanced_groups,
    calibrated_scores,
    detectable,
    found_at_few_false,
)
from screening.set_measures.sets import RealImage, Sets
from screening.set_measures.vectors import SetVectors, one_a_subject

CALIBRATED = "calibrated distance"
PLAIN = "plain distance"
WITHOUT = "without the generator"


class SeenByGenerators:
    """Subjects and pixels that the generators of a set saw; `known` where each card lists them."""

    def __init__(self, session: Session, generator_ids: Sequence[int]) -> None:
        self.keys: set[str] = set()
        self.pixels: set[str] = set()
        self.known = bool(generator_ids)
        for generator_id in generator_ids:
            keys = select(GeneratorSubject.subject_key).where(GeneratorSubject.generator_id == generator_id)
            pixels = select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == generator_id)
            card_keys, card_pixels = set(session.scalars(keys)), set(session.scalars(pixels))
            self.known = self.known and bool(card_keys or card_pixels)
            self.keys |= card_keys
            self.pixels |= card_pixels

    def saw(self, image: RealImage) -> bool:
        """Whether this image, or a subject of this key, was seen."""
        return image.subject_key in self.keys or image.pixel_sha256 in self.pixels


def membership(sets: Sets, vectors: SetVectors, seen: SeenByGenerators, seed: int) -> dict[str, Any]:
    """AUC and share of members found at 1 % false positives, or the reason why neither can be given."""
    members = _members(sets.train, seen, seed)
    if not seen.known:
        return _not_given("the card of a generator does not say what it was fitted on")
    if not members:
        return _not_given("no image that the generator was fitted on is in this project")
    seen_subjects = {image.subject_id for image in sets.train if seen.saw(image)}
    unseen = [place for place, image in enumerate(sets.train) if image.subject_id not in seen_subjects]
    spare = one_a_subject(sets.train, unseen, seed)
    seen_held_out = {image.subject_id for image in sets.validation if seen.saw(image)}
    others = one_a_subject(
        sets.validation,
        [place for place, image in enumerate(sets.validation) if image.subject_id not in seen_held_out],
        seed,
    )
    offset = len(sets.train)  # validation images stand behind the training images
    in_training = len(spare) >= LEAST_MEMBERS
    groups = balanced_groups(
        [(place, sets.train[place].label or "") for place in members],
        [(offset + place, sets.validation[place].label or "") for place in others],
        [(place, sets.train[place].label or "") for place in spare] if in_training else [],
        np.random.default_rng([seed, 2]),
    )
    n = len(groups.members)
    if n < LEAST_MEMBERS:
        return _not_given(
            f"{n} subjects in each group of equal classes, {LEAST_MEMBERS} are needed: of {len(members)} that the "
            f"generator saw, {len(others)} held-out and {len(spare)} unseen training subjects"
        )
    real = np.concatenate([vectors.train.features, vectors.validation.features])
    drawn = vectors.drawn.features[[place for place, image in enumerate(sets.drawn) if image.measured]]
    sides = [real[positions] for positions in (groups.members, groups.others, groups.reference)]
    rows = [_attack(name, *sides, drawn) for name in (CALIBRATED, PLAIN, WITHOUT)]
    return {
        "said": True,
        "n": n,
        "drawn": len(drawn),
        "reference": "training subjects that the generator did not see" if in_training else "held-out subjects",
        "detectable_auc": detectable(n),
        "attacks": rows,
        "sentence": _sentence(rows, n),
    }


def _not_given(reason: str) -> dict[str, Any]:
    return {"said": False, "reason": reason, "sentence": f"Cannot be said: {reason}.", "attacks": []}


def _members(train: Sequence[RealImage], seen: SeenByGenerators, seed: int) -> list[int]:
    """One image a subject that the generator saw; the very image where the card names images."""
    by_pixels = [place for place, image in enumerate(train) if image.pixel_sha256 in seen.pixels]
    return one_a_subject(train, by_pixels or [place for place, image in enumerate(train) if seen.saw(image)], seed)


def _attack(name: str, members: Vectors, others: Vectors, reference: Vectors, drawn: Vectors) -> dict[str, Any]:
    if name == CALIBRATED:
        scores = [calibrated_scores(group, drawn, reference) for group in (members, others)]
    else:
        scores = [-nearest(group, drawn if name == PLAIN else reference)[1] for group in (members, others)]
    hits, false_hits = found_at_few_false(*scores)
    return {
        "name": name,
        "auc": as_saved(area_under_curve(*scores)),
        "found_at_1_percent": as_saved(hits),
        "false_positives": as_saved(false_hits),
    }


def _sentence(rows: Sequence[dict[str, Any]], n: int) -> str:
    by_name = {row["name"]: row["auc"] for row in rows}
    check, main = by_name[WITHOUT], by_name[CALIBRATED]
    if not check["low"] <= 0.5 <= check["high"]:
        return "Not to be read: the groups differ without any generator, so they are not exchangeable."
    if main["low"] > 0.5:
        return "Drawn images lie nearer to the subjects the generator saw: membership shows."
    return (
        f"No sign of membership among {n} subjects in each group; an AUC below {detectable(n):.2f} would often go "
        "unseen, and another attack may see more. This is no proof that the images are anonymous."
    )
