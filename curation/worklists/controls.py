"""Choose controls that look like the candidates: real images, and real images with a planted defect."""

import hashlib
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from curation.alterations.replay import WRONG_LABEL
from curation.errors import BadInput
from curation.provenance.real_images import is_ready_real
from curation.queries import has_shape
from curation.tables.images import BuildStatus, Image, Import, Origin, Shape, Split, Subject
from curation.tables.reading import Purpose
from curation.worklists.items import (
    Item,
    in_seeded_order,
    make_defect_controls,
    make_real_controls,
    select_labelled,
    spread,
)

SPACING_TOLERANCE_MM = 1e-3
ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a control must share with the candidates: shape and depth, spacing, class."""

    shape: Shape
    spacings: frozenset[tuple[float, float] | None]
    classes: Counter[str]

    @classmethod
    def of(cls, items: Sequence[Item]) -> "Likeness":
        """Read it off the candidates among `items`; raises BadInput when they are of several shapes."""
        candidates = [item for item in items if item.purpose is Purpose.CANDIDATE]
        shapes = {item.shape for item in candidates}
        if len(shapes) != 1:
            raise BadInput(
                f"controls need candidates of one shape and depth, got {len(shapes)}. Name batches of one shape."
            )
        spacings = frozenset(item.spacing_mm for item in candidates)
        return cls(shapes.pop(), spacings, Counter(item.label for item in candidates))

    def fits(self, item: Item) -> bool:
        """Whether an item has the class and spacing of a candidate; an unknown spacing fits any."""
        if item.label not in self.classes:
            return False
        if item.spacing_mm is None or None in self.spacings:
            return True
        return any(np.allclose(item.spacing_mm, spacing or 0, atol=SPACING_TOLERANCE_MM) for spacing in self.spacings)

    def __str__(self) -> str:
        height, width, channels, bits = self.shape
        return f"{height}x{width}x{channels}, {bits} bit, with the candidates' classes and spacing"


def find_real_images(session: Session, like: Likeness, split: Split, seed: int) -> list[Item]:
    """Find every real image of a split that looks like the candidates and has one class, in seeded order."""
    query = (
        select_labelled("import", Image.import_id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(is_ready_real(), Subject.split == split, has_shape(like.shape))
    )
    return in_seeded_order([item for item in make_real_controls(session, query) if like.fits(item)], seed)


def find_planted_defects(session: Session, like: Likeness, split: Split, seed: int) -> list[Item]:
    """Find every planted defect in real images that look like the candidates, in seeded order."""
    original = aliased(Image)
    ready = select(Import.id).where(Import.status == BuildStatus.READY)
    query = (
        select_labelled(ALTERED, original.import_id)
        .add_columns(Image.alteration, Image.altered_from_id.label("original_id"))
        .join(original, original.id == Image.altered_from_id)
        .join(Subject, Subject.id == original.subject_id)
        .where(Image.origin == Origin.ALTERED, original.origin == Origin.REAL, original.import_id.in_(ready))
        .where(Subject.split == split, has_shape(like.shape))
    )
    return in_seeded_order([item for item in make_defect_controls(session, query) if like.fits(item)], seed)


def choose_real_controls(
    session: Session, like: Likeness, split: Split, seed: int, wanted: int, without: Set[int] = frozenset()
) -> list[Item]:
    """Choose `wanted` real images in the candidates' shares of classes, none of `without`; BadInput for too few."""
    pool = [item for item in find_real_images(session, like, split, seed) if item.image_id not in without]
    if len(pool) < wanted:
        beside = f" beside {len(without)} that hold a planted defect here" if without else ""
        raise BadInput(
            f"expected {wanted} real {split.value} images of {like}, as controls; there are {len(pool)}{beside}. "
            "Ask for fewer, or import images that look like the candidates."
        )
    return spread(pool, wanted, like.classes)


def choose_defect_controls(
    session: Session, like: Likeness, split: Split, seed: int, wanted: int, label_shown: bool
) -> list[Item]:
    """Choose `wanted` defects, the same number of each kind; raises BadInput for too few.

    Where classes are shown, a wrong class is one of the kinds.
    """
    defects = find_planted_defects(session, like, split, seed)
    if label_shown and len(like.classes) > 1:
        defects += [_wrongly_labelled(item, like, seed) for item in find_real_images(session, like, split, seed)]
    chosen = spread(defects, wanted, like.classes)
    if len(chosen) < wanted:
        raise BadInput(
            f"expected {wanted} planted defects in {split.value} images of {like}; there are {len(chosen)}. "
            "Plant more, or ask for fewer."
        )
    return chosen


def _wrongly_labelled(item: Item, like: Likeness, seed: int) -> Item:
    others = sorted(like.classes.keys() - {item.label})
    number = int.from_bytes(hashlib.sha256(f"{seed}:{item.pixel_sha256}:label".encode()).digest()[:4], "big")
    label = others[number % len(others)]
    return replace(item, purpose=Purpose.DEFECT_CONTROL, label=label, truth=WRONG_LABEL, original_id=item.image_id)
