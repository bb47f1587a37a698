"""Compare two snapshots: images added or removed, or with another label, weight or split."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import CHUNK
from curation.tables.images import Image
from curation.tables.training import Snapshot, SnapshotItem

KINDS = ("added", "removed", "relabelled", "reweighted", "moved")
Item = tuple[int, int, str, str, float]  # image id, copy, split, label, weight


@dataclass(frozen=True, slots=True)
class Change:
    """One image that differs; `was` is empty for an added image, `now` for a removed one."""

    kind: str
    pixel_sha256: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class SnapshotDiff:
    """Two snapshots side by side; `examples` are the first few changes of each kind, the counts are of all."""

    same_content: bool
    unchanged: int
    counts: dict[str, int]
    by_group: dict[str, dict[str, int]]  # kind: {"split, label": images}
    recipe: dict[str, tuple[Any, Any]]
    readings: tuple[int, int]
    examples: list[Change]


def diff_snapshots(session: Session, first: Snapshot, second: Snapshot, examples: int = 10) -> SnapshotDiff:
    """Compare two finished snapshots image by image, in flat memory."""
    counts: Counter[str] = Counter()
    groups: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    kept: dict[str, list[tuple[Item | None, Item | None]]] = {kind: [] for kind in KINDS}
    for was, now in _pairs(_iter_items(session, first.id), _iter_items(session, second.id)):
        for kind in _kinds(was, now):
            counts[kind] += 1
            if kind == "unchanged":
                continue
            item = now or was
            assert item is not None
            groups[kind][f"{item[2]}, {item[3]}"] += 1
            if len(kept[kind]) < examples:
                kept[kind].append((was, now))
    return SnapshotDiff(
        same_content=first.digest == second.digest,
        unchanged=counts["unchanged"],
        counts={kind: counts[kind] for kind in KINDS},
        by_group={kind: dict(sorted(group.items())) for kind, group in groups.items() if group},
        recipe=recipe_changes(first, second),
        readings=(len(first.reading_ids), len(second.reading_ids)),
        examples=_changes(session, kept),
    )


def recipe_changes(first: Snapshot, second: Snapshot) -> dict[str, tuple[Any, Any]]:
    """List the fields in which the recipes differ, with both values; what an older recipe lacks is its default."""
    was, now = (MixRecipe.model_validate(snapshot.recipe).model_dump(mode="json") for snapshot in (first, second))
    return {name: (was[name], now[name]) for name in was if was[name] != now[name]}


def _iter_items(session: Session, snapshot_id: int) -> Iterator[Item]:
    query = (
        select(SnapshotItem.image_id, SnapshotItem.copy, SnapshotItem.split, SnapshotItem.label, SnapshotItem.weight)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .order_by(SnapshotItem.image_id, SnapshotItem.copy)
        .execution_options(yield_per=CHUNK)
    )
    for image_id, copy, split, label, weight in session.execute(query):
        yield image_id, copy, split.value, label, weight


def _pairs(first: Iterator[Item], second: Iterator[Item]) -> Iterator[tuple[Item | None, Item | None]]:
    """Pair the items of both by image, with None where one of them lacks it; both come sorted."""
    was, now = next(first, None), next(second, None)
    while was is not None or now is not None:
        if now is None or (was is not None and was[:2] < now[:2]):
            yield was, None
            was = next(first, None)
        elif was is None or now[:2] < was[:2]:
            yield None, now
            now = next(second, None)
        else:
            yield was, now
            was, now = next(first, None), next(second, None)


def _kinds(was: Item | None, now: Item | None) -> list[str]:
    if was is None or now is None:
        return ["added" if was is None else "removed"]
    changed = zip(("moved", "relabelled", "reweighted"), was[2:], now[2:], strict=True)
    return [kind for kind, before, after in changed if before != after] or ["unchanged"]


def _changes(session: Session, kept: dict[str, list[tuple[Item | None, Item | None]]]) -> list[Change]:
    ids = {item[0] for pairs in kept.values() for pair in pairs for item in pair if item is not None}
    query = select(Image.id, Image.pixel_sha256).where(Image.id.in_(ids))
    digests = {image_id: digest for image_id, digest in session.execute(query)}
    return [
        Change(kind, digests[(now or was or (0,))[0]], _text(was), _text(now))
        for kind, pairs in kept.items()
        for was, now in pairs
    ]


def _text(item: Item | None) -> str:
    return "" if item is None else f"{item[2]}, {item[3]}, weight {item[4]:g}"
