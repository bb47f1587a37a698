"""Withdraw a subject: one transaction marks it, then its files are removed.

The transaction comes first, so that nothing uses an image from then on. The files follow; a withdrawal that was
interrupted there is finished by running it again. Rows and digests stay as tombstones: the guards and the next import
must know what may not come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from curation.audit import BEFORE, Chain, anchor
from curation.digests import digest_of
from curation.errors import BadInput
from curation.lineage.descent import Descent, descent_of
from curation.locks import one_import_at_a_time
from curation.project import HELD_BY, Project
from curation.provenance.withdrawn import add_mark, withdrawn_images, withdrawn_items
from curation.queries import chunks
from curation.reading.slots import PROXY_SLOT
from curation.tables.images import Image, ImageCaption, ImageLabel
from curation.tables.members import read_images
from curation.tables.near_copies import NearCopy
from curation.tables.reading import Assignment, AssignmentState, ReaderCursor, Reading
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal
from curation.withdrawal.import_reports import file_names_of, forget_file_names
from curation.withdrawal.rebuild import rebuild_plan
from curation.withdrawal.removal import Removed, remove_files
from curation.withdrawal.subtraction import SummedRuns, runs_to_subtract_from, subtract

LONGEST_REASON = 500
CLEARED = dict.fromkeys(("source_file", "window_center", "window_width", "frame", "affine", "covariates"))


@dataclass(frozen=True, slots=True)
class Done:
    """A withdrawal that was carried out: what it affects, the plan, and what was removed this time.

    `subtracted` names the runs that the subject was taken out of.
    """

    number: int
    descent: Descent
    plan: list[dict[str, Any]]
    images: int
    removed: Removed
    repeated: bool
    subtracted: tuple[str, ...] = ()


def withdraw(
    project: Project,
    now: datetime,
    key: str,
    reason: str,
    *,
    descendants: bool = False,
    purge: bool = False,
    sums: SummedRuns | None = None,
) -> Done:
    """Withdraw the subject called `key`, or finish its withdrawal; `descendants` removes synthetic images too.

    `purge` also removes the pictures from snapshot folders; `sums` says how the subject leaves the sums of runs, which
    are marked like others without it. Raises NotFound, BadInput for a reason that is too long, Conflict while an import
    runs, Unavailable where the store or a folder of the project is gone, since what lies there would stay.
    """
    if len(reason) > LONGEST_REASON:
        raise BadInput(f"expected a reason of at most {LONGEST_REASON} characters, got {len(reason)}.")
    with one_import_at_a_time(project):
        project.store.require()
        for folder in HELD_BY:
            project.check_folder(folder)
        with project.database.write() as session:
            descent = descent_of(session, project.root, key)
            repeated = descent.subject.withdrawn_at is not None
            withdrawal = _open(session, now, descent, reason)
            before = {BEFORE: project.chain.content(session, Withdrawal, withdrawal.id)} if repeated else {}
            names = file_names_of(session, descent.removed)
            images = _images_to_remove(session, _removed(descent, descendants))
            cleared = [_digest_facts(session, project.chain, chunk) for chunk in chunks(images)]
            _make_tombstones(session, now, withdrawal.id, images)
            added = _mark_descendants(session, withdrawal.id, descent)
            _close_items(session)
            for facts in cleared:  # recorded last: who reads meanwhile waits for the head of the chain
                project.chain.record(session, "images.cleared", {"withdrawal": withdrawal.id, **facts}, now)
            forget_file_names(session, project.chain, now, withdrawal.id, names)
            if added or images or not repeated:
                whole = runs_to_subtract_from(session, project.root, descent, sums)
                withdrawal.plan = rebuild_plan(session, descent, f"-w{withdrawal.id}", descendants, whole)
                _record(session, project.chain, now, withdrawal, descent, {"images": len(images), **before})
            session.flush()
        subtracted = {run.id: run.name for run in subtract(project, now, withdrawal.id, descent, sums)}
        marked = replace(descent, runs=[row for row in descent.runs if row.id not in subtracted])
        removed = remove_files(project, withdrawal, marked, descendants=descendants, purge=purge)
        with project.database.write() as session:
            if removed.any:
                payload = {"withdrawal": withdrawal.id, **removed.counts()}
                project.chain.record(session, "withdrawal.files_removed", payload, now)
            anchor(session, project.anchors_path)
    whole_again = tuple(subtracted.values())
    return Done(withdrawal.id, descent, list(withdrawal.plan), len(images), removed, repeated, whole_again)


def _open(session: Session, now: datetime, descent: Descent, reason: str) -> Withdrawal:
    earlier = session.scalars(select(Withdrawal).where(Withdrawal.subject_id == descent.subject.id)).one_or_none()
    if earlier is not None:
        return earlier
    descent.subject.withdrawn_at = now
    withdrawal = Withdrawal(subject_id=descent.subject.id, reason=reason, plan=[], created_at=now)
    session.add(withdrawal)
    session.flush()
    return withdrawal


def _removed(descent: Descent, descendants: bool) -> ColumnElement[bool]:
    """Build the condition on images that are removed; with `descendants` also those of generators that saw it."""
    shown = Image.id.in_(descent.removed)
    if not descendants:
        return shown
    drawn = Image.batch_id.in_([batch.id for batch in descent.batches])
    return or_(shown, drawn, Image.altered_from_id.in_(select(Image.id).where(drawn)))


def _images_to_remove(session: Session, removed: ColumnElement[bool]) -> list[int]:
    """List the images that are no tombstones yet."""
    return list(session.scalars(select(Image.id).where(removed, Image.withdrawn_at.is_(None)).order_by(Image.id)))


def _digest_facts(session: Session, chain: Chain, image_ids: list[int]) -> dict[str, Any]:
    """Digest what will be cleared of images: the events of imports and batches cover it, and are still checked then."""
    members = read_images(session, Image.id.in_(image_ids))
    return {"images": image_ids, "facts": [chain.facts_digest(member) for member in members]}


def _make_tombstones(session: Session, now: datetime, withdrawal_id: int, image_ids: Sequence[int]) -> None:
    """Turn images into tombstones: what they say is cleared, their labels and captions go."""
    for chunk in chunks(image_ids):
        session.execute(delete(ImageLabel).where(ImageLabel.image_id.in_(chunk)))
        session.execute(delete(ImageCaption).where(ImageCaption.image_id.in_(chunk)))
        session.execute(delete(NearCopy).where(or_(NearCopy.image_id.in_(chunk), NearCopy.like_image_id.in_(chunk))))
        session.execute(update(Image).where(Image.id.in_(chunk)).values(withdrawn_at=now, **CLEARED))
        mark = {"withdrawal_id": withdrawal_id, "kind": AffectedKind.IMAGE}
        session.execute(insert(Affected), [mark | {"target_id": image_id} for image_id in chunk])


def _mark_descendants(session: Session, withdrawal_id: int, descent: Descent) -> int:
    """Mark what descends from the subject and is not marked yet; return how many things that are."""
    query = select(Affected.kind, Affected.target_id).where(Affected.withdrawal_id == withdrawal_id)
    marked = set(session.execute(query).all())
    new = [descendant for descendant in descent.affected if (descendant.kind, descendant.id) not in marked]
    for descendant in new:
        add_mark(session, withdrawal_id, descendant.kind, descendant.id)
    return len(new)


def _close_items(session: Session) -> None:
    """Close the slots that would show a withdrawn image: unread ones are deleted, read ones are done."""
    pending = (Assignment.item_id.in_(withdrawn_items()), Assignment.state != AssignmentState.DONE)
    unread = ~exists().where(Reading.assignment_id == Assignment.id)
    quiet = {"synchronize_session": False}
    dealt = select(Assignment.reader_id, Assignment.worklist_id, func.count()).where(
        *pending, unread, Assignment.slot < PROXY_SLOT, Assignment.reader_id.is_not(None)
    )
    by_reader = dealt.group_by(Assignment.reader_id, Assignment.worklist_id)
    for reader_id, worklist_id, count in session.execute(by_reader).all():
        cursor = session.get(ReaderCursor, (reader_id, worklist_id))
        if cursor is not None and cursor.allotted is not None:
            cursor.allotted -= count
    session.execute(delete(Assignment).where(*pending, unread).execution_options(**quiet))
    done = {"state": AssignmentState.DONE, "lease_until": None}
    session.execute(update(Assignment).where(*pending).values(**done).execution_options(**quiet))


def _record(
    session: Session, chain: Chain, now: datetime, withdrawal: Withdrawal, descent: Descent, facts: dict[str, Any]
) -> None:
    ids_by_kind = {kind.value: [row.id for row in descent.affected if row.kind is kind] for kind in AffectedKind}
    payload = {
        "subject": descent.subject.id,
        "affected": {kind: ids for kind, ids in ids_by_kind.items() if ids},
        "plan_digest": digest_of(withdrawal.plan),
    }
    chain.record_row(session, "subject.withdrawn", withdrawal, payload | facts, now)


def list_withdrawals(session: Session) -> Sequence[Withdrawal]:
    """List every withdrawal, oldest first."""
    return session.scalars(select(Withdrawal).order_by(Withdrawal.id)).all()


def count_removed(session: Session, withdrawal_id: int) -> int:
    """Count the images that a withdrawal removed."""
    return len(session.scalars(withdrawn_images().where(Affected.withdrawal_id == withdrawal_id)).all())
