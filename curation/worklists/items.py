"""Images on their way into a worklist, and the rows they come from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.queries import SHAPE, is_positive
from curation.tables.generation import ScreeningVerdict
from curation.tables.images import Image, ImageLabel, Label, Shape
from curation.tables.reading import Purpose

Row = Any


@dataclass(frozen=True, slots=True)
class Item:
    """An image on its way into a worklist; `label` is the class shown with it where classes are shown.

    `truth` is the class of a real control, the defect of a defect control, the check that blocked an audited image.
    `original_id` is the real image that a defect was planted in.
    """

    image_id: int
    label: str
    purpose: Purpose
    source_id: int  # the batch of a candidate, the import of a control
    pixel_sha256: str
    shape: Shape  # height, width, channels, bits
    spacing_mm: tuple[float, float] | None
    truth: str | None = None
    original_id: int | None = None
    flagged: bool = False
    priority: float = 0.0


def select_labelled(source: str, source_id: InstrumentedAttribute[int | None]) -> Select[*tuple[Any, ...]]:
    """Select images with the classes that `source` gives them; withdrawn ones are left out.

    `source_id` is the column of the batch or the import they come from.
    """
    has_label = and_(ImageLabel.image_id == Image.id, is_positive(source))
    columns = (Image.id, Image.pixel_sha256, *SHAPE, Image.spacing_row_mm, Image.spacing_column_mm)
    return (
        select(*columns, Label.name.label("label"), source_id.label("source_id"))
        .join(ImageLabel, has_label)
        .join(Label, Label.id == ImageLabel.label_id)
        .where(Image.withdrawn_at.is_(None))
    )


def make_candidates(session: Session, query: Select[*tuple[Any, ...]]) -> list[Item]:
    """Make candidates of the rows of `select_labelled` with a column `verdict`."""
    rows = session.execute(query)
    return [_item(row, Purpose.CANDIDATE, flagged=row.verdict is ScreeningVerdict.FLAG) for row in rows]


def make_audits(session: Session, query: Select[*tuple[Any, ...]]) -> list[Item]:
    """Make audits of the rows of `select_labelled` with a column `check_name`; of several checks the first by name."""
    rows: dict[int, Row] = {}
    for row in session.execute(query):
        if row.id not in rows or row.check_name < rows[row.id].check_name:
            rows[row.id] = row
    return [_item(row, Purpose.GATE_AUDIT, truth=row.check_name) for row in rows.values()]


def make_real_controls(session: Session, query: Select[*tuple[Any, ...]]) -> list[Item]:
    """Make real controls of the rows of `select_labelled`; images of more than one class are left out."""
    return [_item(row, Purpose.REAL_CONTROL, truth=row.label) for row in _of_one_class(session.execute(query).all())]


def make_defect_controls(session: Session, query: Select[*tuple[Any, ...]]) -> list[Item]:
    """Make defect controls of the rows of `select_labelled` with columns `alteration` and `original_id`."""
    return [
        _item(row, Purpose.DEFECT_CONTROL, truth=row.alteration["name"], original_id=row.original_id)
        for row in _of_one_class(session.execute(query).all())
    ]


def in_seeded_order(items: Sequence[Item], seed: int) -> list[Item]:
    """Sort items by a hash of the seed and the pixels, so that the order does not depend on ids."""

    def seeded_place(item: Item) -> tuple[str, int]:
        return hashlib.sha256(f"{seed}:{item.pixel_sha256}".encode()).hexdigest(), item.image_id

    return sorted(items, key=seeded_place)


def spread(items: Sequence[Item], wanted: int, shares: Counter[str]) -> list[Item]:
    """Take the first `wanted` items with classes as in `shares`, and the same number of each defect.

    Where a class or a defect runs out, others are taken. Of one original only one item is taken.
    """
    pools: dict[tuple[str, str], list[Item]] = {}
    for item in reversed(items):
        pools.setdefault((item.label, _defect_name(item)), []).append(item)
    classes, defects, pairs = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    taken: list[Item] = []
    originals: set[int] = set()
    while pools and len(taken) < wanted:
        owed = {label: shares[label] * (len(taken) + 1) - classes[label] * shares.total() for label, _ in pools}
        pair = min(pools, key=lambda pair: (-owed[pair[0]], defects[pair[1]], pairs[pair], pair))
        item = pools[pair].pop()
        if not pools[pair]:
            del pools[pair]
        original = item.original_id or item.image_id
        if original not in originals:
            originals.add(original)
            taken.append(item)
            classes[pair[0]] += 1
            defects[pair[1]] += 1
            pairs[pair] += 1
    return taken


def _defect_name(item: Item) -> str:
    return (item.truth or "") if item.purpose is Purpose.DEFECT_CONTROL else ""


def _of_one_class(rows: Sequence[Row]) -> list[Row]:
    classes = Counter(row.id for row in rows)
    return [row for row in rows if classes[row.id] == 1]


def _item(row: Row, purpose: Purpose, **known: Any) -> Item:
    spacing = None
    if row.spacing_row_mm is not None and row.spacing_column_mm is not None:
        spacing = (row.spacing_row_mm, row.spacing_column_mm)
    shape = (row.height, row.width, row.channels, row.bits)
    return Item(row.id, row.label, purpose, row.source_id, row.pixel_sha256, shape, spacing, **known)
