"""Plant defects in real images and store them as altered images, for controls and for practice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from curation.alterations.on_record import record_altered
from curation.alterations.replay import PIXEL_DEFECTS, draw_defect, replay
from curation.audit import Chain
from curation.database import Database
from curation.errors import BadInput
from curation.image_store import ImageStore, Pixels, pixel_sha256
from curation.progress import OnProgress
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import Image, ImageLabel, Origin, Split
from curation.worklists.choose import choose_candidates
from curation.worklists.controls import ALTERED, Likeness, find_real_images
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
    "value_unit",
)


@dataclass(frozen=True, slots=True)
class DefectToPlant:
    """One defect to plant."""

    original: Item
    name: str
    seed: int

    @property
    def key(self) -> tuple[int, str, int]:
        """Two defects of one key are the same."""
        return self.original.image_id, self.name, self.seed


def plant_for_worklist(
    database: Database, store: ImageStore, chain: Chain, now: datetime, recipe: WorklistRecipe, report: OnProgress
) -> dict[str, int]:
    """Plant the defects that a worklist of this recipe needs; returns how many by split.

    Raises what `choose_items` would raise for the recipe and its candidates.
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

        def report_total(done: int, _: int, note: str | None, before: int = before) -> None:
            report(before + done, total, note)

        ids = plant_defects(
            database, store, chain, now, split=split, count=count, seed=recipe.seed, like=like, report=report_total
        )
        planted[split.value] = len(ids)
    return planted


def plant_defects(
    database: Database,
    store: ImageStore,
    chain: Chain,
    now: datetime,
    *,
    split: Split,
    count: int,
    seed: int,
    like: Likeness,
    report: OnProgress,
) -> list[int]:
    """Plant defects in `count` real images of a split that look like the candidates; returns the new images' ids.

    Each kind of defect is planted equally often, in each class as far as counts allow. The same seed finds what was
    planted before. Files are written while no transaction is open. Raises BadInput for too few real images.
    """
    with database.read() as session:
        defects = _choose_defects(session, split, count, seed, like)
        planted = _planted_before(session, defects)
    missing = [defect for defect in defects if defect.key not in planted]
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        report(len(planted), len(defects), "planting defects")
        stored = [_store_damaged(store, defect, _file(database, defect.original.image_id)) for defect in chunk]
        with database.write() as session:
            planted |= _write_rows(session, chain, now, chunk, stored)
    report(len(defects), len(defects), None)
    return [planted[defect.key] for defect in defects]


def _choose_defects(session: Session, split: Split, count: int, seed: int, like: Likeness) -> list[DefectToPlant]:
    """Choose which images get which defect: kinds take turns within each class."""
    pool = find_real_images(session, like, split, seed)
    if len(pool) < count:
        raise BadInput(
            f"expected {count} real {split.value} images of {like}, to plant defects in; there are {len(pool)}. "
            "Ask for fewer, or import images that look like the candidates."
        )
    starts = {label: 2 * number for number, label in enumerate(sorted(like.classes))}
    turns = Counter(starts)
    defects = []
    for item in spread(pool, count, like.classes):
        defects.append(DefectToPlant(item, PIXEL_DEFECTS[turns[item.label] % len(PIXEL_DEFECTS)], seed))
        turns[item.label] += 1
    return defects


def _planted_before(session: Session, defects: Sequence[DefectToPlant]) -> dict[tuple[int, str, int], int]:
    """Find the defects that were planted before; returns the ids of the damaged images by key."""
    keys = {defect.key for defect in defects}
    query = select(Image.id, Image.altered_from_id, Image.alteration).where(
        Image.origin == Origin.ALTERED, Image.altered_from_id.in_([defect.original.image_id for defect in defects])
    )
    planted = {}
    for image_id, original_id, alteration in session.execute(query):
        key = (original_id, alteration["name"], alteration["seed"])
        if key in keys:
            planted[key] = image_id
    return planted


def _file(database: Database, image_id: int) -> str:
    with database.read() as session:
        return session.scalars(select(Image.file_sha256).where(Image.id == image_id)).one()


def _store_damaged(store: ImageStore, defect: DefectToPlant, digest: str) -> dict[str, Any]:
    """Draw the defect, store the damaged image, and return its columns."""
    pixels = store.pixels(digest)
    alteration = draw_defect(pixels, defect.name, defect.seed)
    damaged: Pixels = replay(pixels, alteration)
    return {"alteration": alteration, "file_sha256": store.put_pixels(damaged), "pixel_sha256": pixel_sha256(damaged)}


def _write_rows(
    session: Session,
    chain: Chain,
    now: datetime,
    defects: Sequence[DefectToPlant],
    stored: Sequence[dict[str, Any]],
) -> dict[tuple[int, str, int], int]:
    """Add and record the rows that nobody else has added meanwhile; returns the ids of all by key."""
    planted = _planted_before(session, defects)
    added = []
    ids = [defect.original.image_id for defect in defects]
    originals = {image.id: image for image in session.scalars(select(Image).where(Image.id.in_(ids)))}
    for defect, columns in zip(defects, stored, strict=True):
        if defect.key in planted:
            continue
        original = originals[defect.original.image_id]
        geometry = {name: getattr(original, name) for name in GEOMETRY}
        image = Image(origin=Origin.ALTERED, altered_from_id=original.id, created_at=now, **geometry, **columns)
        session.add(image)
        session.flush()
        planted[defect.key] = image.id
        added.append(image.id)
        labels = select(ImageLabel.label_id, ImageLabel.value).where(
            ImageLabel.image_id == original.id, ImageLabel.source == "import"
        )
        copied = [{"image_id": image.id, "source": ALTERED, **row._mapping} for row in session.execute(labels)]
        session.execute(insert(ImageLabel), copied)
    record_altered(session, chain, now, added)
    return planted
