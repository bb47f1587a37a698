"""Refuse to export a snapshot with withdrawn subjects or with suspected copies of real images.

A snapshot is immutable, and its images may be blocked or judged after it was built. It stays, but is not exported.
"""

from sqlalchemy import Select, exists, func, select, union_all
from sqlalchemy.orm import Session, aliased

from curation.errors import Conflict
from curation.tables.generation import ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image
from curation.tables.pairs import Pair, PairReading, PairTruth, PairVerdict
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind

PRIVACY_PREFIX = "near_copy"


def check_may_leave(session: Session, snapshot: Snapshot) -> None:
    """Raise Conflict for everything that forbids an export, with what to do."""
    if snapshot.status is not BuildStatus.READY:
        raise Conflict(f"snapshot {snapshot.name!r} is {snapshot.status.value}: export it when it is ready.")
    reasons = [
        (_withdrawn(snapshot.id), "were withdrawn with their subject"),
        (_blocked(snapshot.id), "are blocked as near copies of real images"),
        (_judged_same(snapshot.id), "were judged by the privacy role to show the same subject as a real image"),
    ]
    faults = [f"{count} of its images {what}" for query, what in reasons if (count := session.scalar(query))]
    if session.scalar(_affected(snapshot.id)):
        faults.append("it descends from a subject that withdrew")
    if faults:
        refused = f"snapshot {snapshot.name!r} does not leave: {'; '.join(faults)}"
        raise Conflict(f"{refused}. Build another without, and export that.")


def _images_of(snapshot_id: int) -> Select[int]:
    return select(func.count(SnapshotItem.image_id.distinct())).where(SnapshotItem.snapshot_id == snapshot_id)


def _withdrawn(snapshot_id: int) -> Select[int]:
    withdrawn = select(Image.id).where(Image.withdrawn_at.is_not(None))
    return _images_of(snapshot_id).where(SnapshotItem.image_id.in_(withdrawn))


def _blocked(snapshot_id: int) -> Select[int]:
    for_copies = ScreeningCheck.name.startswith(PRIVACY_PREFIX, autoescape=True)
    blocked = select(ScreeningCheck.image_id).where(for_copies, ScreeningCheck.verdict == ScreeningVerdict.BLOCK)
    return _images_of(snapshot_id).where(SnapshotItem.image_id.in_(blocked))


def _judged_same(snapshot_id: int) -> Select[int]:
    """Select synthetic suspects that a standing judgement calls the same subject; one judgement is enough."""
    void = aliased(PairReading)
    stands = ~exists().where(void.voids_id == PairReading.id)
    judged = select(PairReading.pair_id).where(PairReading.verdict == PairVerdict.SAME, stands)
    sides = (Pair.first_image_id, Pair.second_image_id)
    suspects = [select(side).where(Pair.truth == PairTruth.SUSPECT, Pair.id.in_(judged)) for side in sides]
    drawn = _images_of(snapshot_id).join(Image, Image.id == SnapshotItem.image_id).where(Image.batch_id.is_not(None))
    return drawn.where(SnapshotItem.image_id.in_(union_all(*suspects)))


def _affected(snapshot_id: int) -> Select[int]:
    marked = select(func.count()).select_from(Affected)
    return marked.where(Affected.kind == AffectedKind.SNAPSHOT, Affected.target_id == snapshot_id)
