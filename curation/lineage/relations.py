"""Count images by snapshot and worklist, and snapshots and worklists by image."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from curation.lineage.graph import NodeKind, Ref, Step
from curation.tables.generation import Generator
from curation.tables.images import Image, Split
from curation.tables.reading import Outcome, OutcomeVerdict, Purpose, Worklist, WorklistItem
from curation.tables.training import Run, Snapshot, SnapshotItem

PURPOSES = {
    Purpose.CANDIDATE: "candidates",
    Purpose.REAL_CONTROL: "real controls",
    Purpose.DEFECT_CONTROL: "planted defects",
    Purpose.GATE_AUDIT: "for audit",
}


def images_of_snapshot(session: Session, snapshot_id: int) -> list[Step]:
    """Count a snapshot's images by group and split."""
    query = (
        select(Image.import_id, Image.batch_id, SnapshotItem.split, func.count())
        .join(Image, Image.id == SnapshotItem.image_id)
        .where(SnapshotItem.snapshot_id == snapshot_id)
        .group_by(Image.import_id, Image.batch_id, SnapshotItem.split)
        .order_by(SnapshotItem.split)
    )
    return _by_group((row[0], row[1], row[2].value, row[3]) for row in session.execute(query))


def images_of_worklist(session: Session, worklist_id: int) -> list[Step]:
    """Count a worklist's images by group and purpose; a planted defect counts where its original came from."""
    original = aliased(Image)
    import_id = func.coalesce(Image.import_id, original.import_id)
    query = (
        select(import_id, Image.batch_id, WorklistItem.purpose, func.count())
        .select_from(WorklistItem)
        .join(Image, Image.id == WorklistItem.image_id)
        .outerjoin(original, original.id == Image.altered_from_id)
        .where(WorklistItem.worklist_id == worklist_id)
        .group_by(import_id, Image.batch_id, WorklistItem.purpose)
        .order_by(WorklistItem.purpose)
    )
    return _by_group((row[0], row[1], PURPOSES[row[2]], row[3]) for row in session.execute(query))


ORDER = {name: place for place, name in enumerate([*(split.value for split in Split), *PURPOSES.values()])}


def _in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sort training and candidates first; owners stay in their order."""
    return sorted(rows, key=lambda row: ORDER[row[-2]])


def _by_group(rows: Iterable[tuple[Any, ...]]) -> list[Step]:
    words: dict[Ref, list[str]] = {}
    for import_id, batch_id, name, count in _in_order(rows):
        if import_id is not None or batch_id is not None:
            key = f"import/{import_id}" if import_id is not None else f"batch/{batch_id}"
            words.setdefault(Ref(NodeKind.IMAGES, key), []).append(f"{count:,} {name}")
    return [Step(ref, ", ".join(parts)) for ref, parts in words.items()]


def snapshots_with(session: Session, images: ColumnElement[bool]) -> list[Step]:
    """Find the snapshots that hold such images, with counts by split."""
    query = _count_by_holder(Snapshot, SnapshotItem, SnapshotItem.snapshot_id, SnapshotItem.split, images)
    return _in_words(NodeKind.SNAPSHOT, ((row[0], row[1].value, row[2]) for row in session.execute(query)))


def worklists_with(session: Session, images: ColumnElement[bool]) -> list[Step]:
    """Find the worklists that show such images, with counts by purpose."""
    query = _count_by_holder(Worklist, WorklistItem, WorklistItem.worklist_id, WorklistItem.purpose, images)
    return _in_words(NodeKind.WORKLIST, ((row[0], PURPOSES[row[1]], row[2]) for row in session.execute(query)))


def _count_by_holder(holder: Any, item: Any, holder_id: Any, part: Any, images: ColumnElement[bool]) -> Select[Any]:
    """Count such images by what holds them, and by split or purpose there."""
    return (
        select(holder.name, part, func.count())
        .join(item, holder_id == holder.id)
        .join(Image, Image.id == item.image_id)
        .where(images)
        .group_by(holder.id, holder.name, part)
        .order_by(holder.id, part)
    )


def _in_words(kind: NodeKind, rows: Iterable[tuple[Any, ...]]) -> list[Step]:
    counts = list(rows)
    words: dict[Ref, list[str]] = {Ref(kind, key): [] for key, _, _ in counts}
    for key, name, count in _in_order(counts):
        words[Ref(kind, key)].append(f"{count:,} {name}")
    return [Step(ref, ", ".join(parts)) for ref, parts in words.items()]


def approved_between(*where: ColumnElement[bool]) -> Select[int, str, str, int]:
    """Count the images with an approved outcome, by the snapshot that holds them and the worklist."""
    count = func.count(SnapshotItem.image_id.distinct())
    return (
        select(Snapshot.id, Snapshot.name, Worklist.name, count)
        .select_from(SnapshotItem)
        .join(Snapshot, Snapshot.id == SnapshotItem.snapshot_id)
        .join(Outcome, Outcome.image_id == SnapshotItem.image_id)
        .join(Worklist, Worklist.id == Outcome.worklist_id)
        .where(Outcome.verdict == OutcomeVerdict.APPROVED, *where)
        .group_by(Snapshot.id, Snapshot.name, Worklist.id, Worklist.name)
        .order_by(Snapshot.id, Worklist.id)
    )


def uses_outcomes_of(snapshot: Snapshot, worklist: str) -> bool:
    """Tell whether a snapshot's recipe uses the outcomes of this worklist."""
    named = snapshot.recipe.get("worklists", ())
    return bool(snapshot.reading_ids) and (not named or worklist in named)


def fitted_on(generator: Generator) -> tuple[str | None, str | None]:
    """Read the name and digest of the snapshot that a generator's card names."""
    summary = generator.card.get("fitted_on", {})
    return summary.get("snapshot"), summary.get("digest")


def was_fitted_on(generator: Generator, snapshot: Snapshot) -> bool:
    """Tell whether the card means this very snapshot; cards of older versions give its name alone."""
    name, digest = fitted_on(generator)
    return name == snapshot.name and digest in (None, snapshot.digest)


def ancestor_weights(generator: Generator) -> dict[str, str]:
    """Map the weights of the generators whose images it was fitted on to their names."""
    ancestors = generator.card.get("fitted_on", {}).get("ancestors", ())
    weights = {str(entry["weights_digest"]): str(entry["name"]) for entry in ancestors if "weights_digest" in entry}
    return {digest: name for digest, name in weights.items() if digest not in autoencoder_weights(generator)}


def autoencoder_weights(generator: Generator) -> dict[str, str]:
    """Map the weights of the generator whose autoencoder it took over to that one's name; empty for its own."""
    source = generator.card.get("autoencoder_from")
    return {str(source["weights_digest"]): str(source["name"])} if source else {}


def run_in_path(session: Session, backbone: str) -> Run | None:
    """Find the run of this project whose model a backbone's path names: `.../runs/NAME/model`."""
    parts = PurePath(backbone).parts
    if len(parts) < 3 or parts[-1] != "model" or parts[-3] != "runs":
        return None
    return session.scalars(select(Run).where(Run.name == parts[-2])).one_or_none()
