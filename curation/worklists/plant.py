"""Plants defects in real images and keeps them as images of their own, for controls and for practice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from curation.alterations.replay import PIXEL_DEFECTS, draw_defect, replay
from curation.database import Database
from curation.errors import BadInput
from curation.image_store import ImageStore, Pixels, pixel_sha256
from curation.progress import OnProgress
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import Image, ImageLabel, Origin, Split
from curation.worklists.choose import choose_candidates
from curation.worklists.controls import ALTERED, Likeness, real_pool
from curation.worklists.items import Item, spread
from curation.worklists.recipe import check_recipe

CHUNK = 200
GEOMETRY = (
    "height",
    "width",
    "channels",
    "bits",
    "spacing_row_mm",
    "spacing_column_mm",
    "rescale_slope",
    "rescale_intercept",
    "signed_offset",
)


@dataclass(frozen=True, slots=True)
class DefectToPlant:
    """One defect to plant."""

    original: Item
    name: str
    seed: int

    @property
    def key(self) -> tuple[int, str, int]:
        """What makes it the same defect again."""
        return self.original.image_id, self.name, self.seed


def images_for_controls(session: Session, recipe: WorklistRecipe) -> int:
    """How many real validation images look like the candidates: real controls and planted defects take one each.

    Raises BadInput when there is no candidate, or candidates are of several shapes.
    """
    like = Likeness.of(choose_candidates(session, recipe))
    return len(real_pool(session, like, Split.VALIDATION, recipe.seed))


def plant_for(
    database: Database, store: ImageStore, now: datetime, recipe: WorklistRecipe, report: OnProgress
) -> dict[str, int]:
    """Plant what a worklist of this recipe will need, for controls and for practice; returns how many by split.

    Raises what `choose_items` would raise of the recipe and its candidates.
    """
    wanted = {Split.VALIDATION: recipe.defect_controls, Split.TRAIN: recipe.practice // 2}
    with database.read() as session:
        check_recipe(session, recipe)
        like = Likeness.of(choose_candidates(session, recipe)) if any(wanted.values()) else None
    if like is None:
        return {}
    total, planted = sum(wanted.values()), dict[str, int]()
    for split, count in wanted.items():
        before = sum(planted.values())

        def all_together(done: int, _: int, note: str | None, before: int = before) -> None:
            report(before + done, total, note)

        ids = plant_defects(
            database, store, now, split=split, count=count, seed=recipe.seed, like=like, report=all_together
        )
        planted[split.value] = len(ids)
    return planted


def plant_defects(
    database: Database,
    store: ImageStore,
    now: datetime,
    *,
    split: Split,
    count: int,
    seed: int,
    like: Likeness,
    report: OnProgress,
) -> list[int]:
    """Damage `count` real images of a split that look like the candidates; returns the ids of the damaged ones.

    Every kind of defect occurs as often, in every class as far as counts allow. Asked again with the same seed it
    finds what is there. Files are written while no transaction is open. Raises BadInput for too few real images.
    """
    with database.read() as session:
        plans = _plans(session, split, count, seed, like)
        found = _planted(session, plans)
    missing = [plan for plan in plans if plan.key not in found]
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        report(len(found), len(plans), "planting defects")
        made = [_plant(store, plan, _file(database, plan.original.image_id)) for plan in chunk]
        with database.write() as session:
            found |= _write(session, now, chunk, made)
    report(len(plans), len(plans), None)
    return [found[plan.key] for plan in plans]


def _plans(session: Session, split: Split, count: int, seed: int, like: Likeness) -> list[DefectToPlant]:
    """Which images get which defect: kinds take turns within each class, starting elsewhere for each class."""
    pool = real_pool(session, like, split, seed)
    if len(pool) < count:
        raise BadInput(
            f"expected {count} real {split.value} images of {like}, to plant defects in; there are {len(pool)}. "
            "Ask for fewer, or import images that look like the candidates."
        )
    starts = {label: 2 * number for number, label in enumerate(sorted(like.classes))}
    turns = Counter(starts)
    plans = []
    for item in spread(pool, count, like.classes):
        plans.append(DefectToPlant(item, PIXEL_DEFECTS[turns[item.label] % len(PIXEL_DEFECTS)], seed))
        turns[item.label] += 1
    return plans


def _planted(session: Session, plans: Sequence[DefectToPlant]) -> dict[tuple[int, str, int], int]:
    """Those of the plans that were carried out before, by what makes them the same, with the damaged image's id."""
    wanted = {plan.key for plan in plans}
    query = select(Image.id, Image.altered_from_id, Image.alteration).where(
        Image.origin == Origin.ALTERED, Image.altered_from_id.in_([plan.original.image_id for plan in plans])
    )
    found = {}
    for image_id, original_id, alteration in session.execute(query):
        key = (original_id, alteration["name"], alteration["seed"])
        if key in wanted:
            found[key] = image_id
    return found


def _file(database: Database, image_id: int) -> str:
    with database.read() as session:
        return session.scalars(select(Image.file_sha256).where(Image.id == image_id)).one()


def _plant(store: ImageStore, plan: DefectToPlant, digest: str) -> dict[str, Any]:
    """Draw the defect, store the damaged picture, and return the columns that belong to it."""
    pixels = store.pixels(digest)
    alteration = draw_defect(pixels, plan.name, plan.seed)
    damaged: Pixels = replay(pixels, alteration)
    return {
        "alteration": alteration,
        "file_sha256": store.put_pixels(damaged),
        "pixel_sha256": pixel_sha256(damaged),
    }


def _write(
    session: Session, now: datetime, plans: Sequence[DefectToPlant], made: Sequence[dict[str, Any]]
) -> dict[tuple[int, str, int], int]:
    """Add the rows that nobody else has added in the meantime; returns ids of all."""
    found = _planted(session, plans)
    originals = {
        image.id: image
        for image in session.scalars(select(Image).where(Image.id.in_([plan.original.image_id for plan in plans])))
    }
    for plan, columns in zip(plans, made, strict=True):
        if plan.key in found:
            continue
        original = originals[plan.original.image_id]
        geometry = {name: getattr(original, name) for name in GEOMETRY}
        image = Image(origin=Origin.ALTERED, altered_from_id=original.id, created_at=now, **geometry, **columns)
        session.add(image)
        session.flush()
        found[plan.key] = image.id
        said = select(ImageLabel.label_id, ImageLabel.value).where(
            ImageLabel.image_id == original.id, ImageLabel.source == "import"
        )
        labels = [{"image_id": image.id, "source": ALTERED, **row._mapping} for row in session.execute(said)]
        session.execute(insert(ImageLabel), labels)
    return found
