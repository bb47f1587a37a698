"""What was withdrawn and what that reaches: asked by everything that shows or uses an image, a model or a snapshot."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from curation.errors import AffectedRefused, Conflict
from curation.tables.generation import Batch
from curation.tables.images import Image, Subject
from curation.tables.reading import WorklistItem
from curation.tables.training import SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal

CHUNK = 500


def withdrawn_images() -> Select[int]:
    """Ids of images that were removed. Few, so that a condition on them costs nothing where there are none."""
    return select(Affected.target_id).where(Affected.kind == AffectedKind.IMAGE)


def withdrawn_items() -> Select[int]:
    """Ids of worklist items whose image was removed."""
    return select(WorklistItem.id).where(WorklistItem.image_id.in_(withdrawn_images()))


def withdrawn_since(session: Session, import_id: int) -> list[str]:
    """A line that says how much of an import was withdrawn since, or nothing."""
    query = select(func.count()).where(Image.import_id == import_id, Image.withdrawn_at.is_not(None))
    count = session.scalar(query)
    return [f"{count} of its images were withdrawn since; they do not come back."] if count else []


def still_here(session: Session, image_ids: Iterable[int]) -> set[int]:
    """Those of the images that were not withdrawn."""
    wanted = set(image_ids)
    return wanted - set(session.scalars(withdrawn_images().where(Affected.target_id.in_(wanted))))


def newest_withdrawal(session: Session) -> int:
    """The number of the newest withdrawal, 0 without one: what was chosen before it may no longer be shown."""
    return session.scalar(select(func.max(Withdrawal.id))) or 0


def marks(session: Session, kind: AffectedKind) -> dict[int, str]:
    """Everything of one kind that a withdrawal reaches, by id, with the words that say so."""
    query = (
        select(Affected.target_id, Withdrawal.id, Withdrawal.created_at)
        .join(Withdrawal, Withdrawal.id == Affected.withdrawal_id)
        .where(Affected.kind == kind)
        .order_by(Withdrawal.id)
    )
    found: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for target_id, withdrawal_id, at in session.execute(query):
        found[target_id].append((withdrawal_id, at))
    return {target_id: words(some) for target_id, some in found.items()}


def mark(session: Session, kind: AffectedKind, target_id: int) -> str | None:
    """The words that say what reaches one thing, or None when nothing does."""
    query = (
        select(Withdrawal.id, Withdrawal.created_at)
        .join(Affected, Affected.withdrawal_id == Withdrawal.id)
        .where(Affected.kind == kind, Affected.target_id == target_id)
        .order_by(Withdrawal.id)
    )
    found = [(row.id, row.created_at) for row in session.execute(query)]
    return words(found) if found else None


def words(withdrawals: Sequence[tuple[int, datetime]]) -> str:
    """`AFFECTED by withdrawal 1 (2026-11-25)`."""
    listed = ", ".join(f"{number} ({at.date().isoformat()})" for number, at in withdrawals)
    return f"AFFECTED by withdrawal{'s' if len(withdrawals) > 1 else ''} {listed}"


def refuse_affected(what: str, reasons: Iterable[str], allowed: bool) -> list[str]:
    """The reasons, when they are allowed; raises AffectedRefused when there are any and they are not."""
    found = sorted(set(reasons))
    if found and not allowed:
        raise AffectedRefused(
            f"{what} descends from a withdrawn subject: {'; '.join(found)}. Build it again (`rounds withdraw --list` "
            "has the plan), or pass --allow-affected to use it all the same; every report will say so."
        )
    return found


def withdrawals_among(
    session: Session, subjects: Iterable[str], pixel_sha256: Iterable[str]
) -> list[tuple[int, datetime]]:
    """Withdrawals of a subject, or of one with a picture, among those that some weights saw."""
    found: dict[int, datetime] = {}
    of_subject = select(Withdrawal.id, Withdrawal.created_at).join(Subject, Subject.id == Withdrawal.subject_id)
    for keys in _chunks(subjects):
        found.update((row.id, row.created_at) for row in session.execute(of_subject.where(Subject.key.in_(keys))))
    of_pixels = of_subject.join(Image, Image.subject_id == Subject.id)
    for digests in _chunks(pixel_sha256):
        rows = session.execute(of_pixels.where(Image.pixel_sha256.in_(digests)))
        found.update((row.id, row.created_at) for row in rows)
    return sorted(found.items())


def mark_if_withdrawn(
    session: Session, kind: AffectedKind, target_id: int, subjects: Iterable[str], pixel_sha256: Iterable[str]
) -> None:
    """Mark what is new here but saw a subject that was withdrawn before, or while it was being made."""
    if session.scalars(select(Withdrawal.id).limit(1)).first() is None:
        return
    for withdrawal_id, _ in withdrawals_among(session, subjects, pixel_sha256):
        add_mark(session, withdrawal_id, kind, target_id)


def add_mark(session: Session, withdrawal_id: int, kind: AffectedKind, target_id: int) -> None:
    """Mark one thing once."""
    if session.get(Affected, (withdrawal_id, kind, target_id)) is None:
        session.execute(insert(Affected), [{"withdrawal_id": withdrawal_id, "kind": kind, "target_id": target_id}])


def inherit(session: Session, kind: AffectedKind, target_id: int, parent: AffectedKind, parent_id: int) -> None:
    """Mark what is made from something affected by the same withdrawals."""
    query = select(Affected.withdrawal_id).where(Affected.kind == parent, Affected.target_id == parent_id)
    for withdrawal_id in session.scalars(query).all():
        add_mark(session, withdrawal_id, kind, target_id)


def generators_of(session: Session, snapshot_id: int) -> Sequence[int]:
    """Ids of the generators whose images a snapshot holds."""
    batches = (
        select(Image.batch_id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id, Image.batch_id.is_not(None))
    )
    return session.scalars(select(Batch.generator_id).where(Batch.id.in_(batches)).distinct()).all()


def refuse_withdrawn_items(session: Session, snapshot_id: int) -> None:
    """Raise Conflict when an image of a snapshot that is about to be frozen was withdrawn while it was written."""
    gone = select(SnapshotItem.image_id).where(
        SnapshotItem.snapshot_id == snapshot_id, SnapshotItem.image_id.in_(withdrawn_images())
    )
    if session.scalars(gone.limit(1)).first() is not None:
        raise Conflict("a subject was withdrawn while this snapshot was written. Build it again, under the same name.")


def _chunks(values: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(set(values))
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))
