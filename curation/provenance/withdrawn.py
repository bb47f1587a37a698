"""Find what was withdrawn and what a withdrawal affects, and refuse affected inputs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.errors import AffectedRefused, Conflict
from curation.provenance.aliases import with_bound_subjects
from curation.queries import chunks
from curation.tables.generation import Batch
from curation.tables.images import Image, Subject
from curation.tables.reading import WorklistItem
from curation.tables.training import SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal


def withdrawn_images() -> Select[int]:
    """Select the ids of removed images: few, so a condition on them costs nothing where there are none."""
    return select(Affected.target_id).where(Affected.kind == AffectedKind.IMAGE)


def digests_of_withdrawn(session: Session, image_ids: Select[int], column: InstrumentedAttribute[str]) -> set[str]:
    """Find the digests of these removed images (of their files, or of their pixels) that no other image has."""
    digests = set(session.scalars(select(column).where(Image.id.in_(image_ids))))
    needed: set[str] = set()
    for portion in chunks(sorted(digests)):
        needed |= set(session.scalars(select(column).where(column.in_(portion), Image.withdrawn_at.is_(None))))
    return digests - needed


def withdrawn_items() -> Select[int]:
    """Select the ids of worklist items whose image was removed."""
    return select(WorklistItem.id).where(WorklistItem.image_id.in_(withdrawn_images()))


def withdrawn_since(session: Session, import_id: int) -> list[str]:
    """Note how many images of an import were withdrawn since; no line where none was."""
    count = session.scalar(select(func.count()).where(Image.import_id == import_id, Image.withdrawn_at.is_not(None)))
    return [f"{count} of its images were withdrawn since; they do not come back."] if count else []


def still_here(session: Session, image_ids: Iterable[int]) -> set[int]:
    """Keep those of the images that were not withdrawn."""
    wanted = set(image_ids)
    return wanted - set(session.scalars(withdrawn_images().where(Affected.target_id.in_(wanted))))


def newest_withdrawal(session: Session) -> int:
    """Find the number of the newest withdrawal, 0 without one: what was chosen before it may no longer be shown."""
    return session.scalar(select(func.max(Withdrawal.id))) or 0


def affected_notes(session: Session, kind: AffectedKind, *where: ColumnElement[bool]) -> dict[int, str]:
    """Note the withdrawals that affect things of one kind, by the id of each thing."""
    query = (
        select(Affected.target_id, Withdrawal.id, Withdrawal.created_at)
        .join(Withdrawal, Withdrawal.id == Affected.withdrawal_id)
        .where(Affected.kind == kind, *where)
        .order_by(Withdrawal.id)
    )
    withdrawals: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for target_id, withdrawal_id, at in session.execute(query):
        withdrawals[target_id].append((withdrawal_id, at))
    return {target_id: withdrawal_note(numbers) for target_id, numbers in withdrawals.items()}


def affected_note(session: Session, kind: AffectedKind, target_id: int) -> str | None:
    """Note the withdrawals that affect one thing; None when none does."""
    return affected_notes(session, kind, Affected.target_id == target_id).get(target_id)


def withdrawal_note(withdrawals: Sequence[tuple[int, datetime]]) -> str:
    """Name the withdrawals that affect something: `AFFECTED by withdrawal 1 (2026-11-25)`."""
    listed = ", ".join(f"{number} ({at.date().isoformat()})" for number, at in withdrawals)
    return f"AFFECTED by withdrawal{'s' if len(withdrawals) > 1 else ''} {listed}"


def refuse_affected(what: str, reasons: Iterable[str], allowed: bool) -> list[str]:
    """Return the reasons why `what` is affected; raises AffectedRefused when there are any and they are not allowed."""
    lines = sorted(set(reasons))
    if lines and not allowed:
        raise AffectedRefused(
            f"{what} descends from a withdrawn subject: {'; '.join(lines)}. Build it again (`rounds withdraw --list` "
            "has the plan), or pass --allow-affected to use it all the same; every report will say so."
        )
    return lines


def withdrawals_among(
    session: Session, subjects: Iterable[str], pixel_sha256: Iterable[str]
) -> list[tuple[int, datetime]]:
    """Find the withdrawals of subjects that some weights saw, by subject key or by a picture."""
    withdrawals: dict[int, datetime] = {}
    of_subject = select(Withdrawal.id, Withdrawal.created_at).join(Subject, Subject.id == Withdrawal.subject_id)
    for keys in chunks(sorted(set(subjects))):
        named = of_subject.where(Subject.key.in_(with_bound_subjects(session, keys)))
        withdrawals.update((row.id, row.created_at) for row in session.execute(named))
    of_pixels = of_subject.join(Image, Image.subject_id == Subject.id)
    for digests in chunks(sorted(set(pixel_sha256))):
        rows = session.execute(of_pixels.where(Image.pixel_sha256.in_(digests)))
        withdrawals.update((row.id, row.created_at) for row in rows)
    return sorted(withdrawals.items())


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


def remove_marks(session: Session, kind: AffectedKind, target_id: int) -> None:
    """Remove the marks of a row that starts anew from other things."""
    session.execute(delete(Affected).where(Affected.kind == kind, Affected.target_id == target_id))


def inherit(session: Session, kind: AffectedKind, target_id: int, parent: AffectedKind, parent_id: int) -> None:
    """Mark what is made from something affected by the same withdrawals."""
    query = select(Affected.withdrawal_id).where(Affected.kind == parent, Affected.target_id == parent_id)
    for withdrawal_id in session.scalars(query).all():
        add_mark(session, withdrawal_id, kind, target_id)


def generators_of(session: Session, snapshot_id: int) -> Sequence[int]:
    """Find the ids of the generators whose images a snapshot holds."""
    batches = (
        select(Image.batch_id)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .where(SnapshotItem.snapshot_id == snapshot_id, Image.batch_id.is_not(None))
    )
    return session.scalars(select(Batch.generator_id).where(Batch.id.in_(batches)).distinct()).all()


def refuse_withdrawn_items(session: Session, snapshot_id: int) -> None:
    """Raise Conflict when an image of a snapshot that is about to be frozen was withdrawn while it was written."""
    withdrawn = select(SnapshotItem.image_id).where(
        SnapshotItem.snapshot_id == snapshot_id, SnapshotItem.image_id.in_(withdrawn_images())
    )
    if session.scalars(withdrawn.limit(1)).first() is not None:
        raise Conflict("a subject was withdrawn while this snapshot was written. Build it again, under the same name.")
