"""Lease images to a reader, their own live leases first; a lease expires."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from curation.errors import NotAllowed
from curation.provenance.withdrawn import withdrawn_items
from curation.reading.assignment import assign_adjudications, assign_first_readings
from curation.reading.grid_audits import AUDITS_AMONG, assign_audits, find_waiting_audits
from curation.reading.progress import withdrawn_items_of
from curation.reading.recipe import recipe_of
from curation.reading.repeats import Repeat, add_repeat, draw_repeats
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT, LeaseTerms, lock_cursor
from curation.reading.worklist import ClaimMode, check_may_read, check_mode, open_worklist
from curation.tables.images import Image
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, AssignmentPurpose, AssignmentState, ReaderCursor, Worklist, WorklistItem

HELD_IN: dict[ClaimMode, tuple[AssignmentPurpose, ...]] = {
    "single": (AssignmentPurpose.FIRST, AssignmentPurpose.REPEAT, AssignmentPurpose.GRID_AUDIT),
    "grid": (AssignmentPurpose.FIRST,),
    "adjudicate": (AssignmentPurpose.ADJUDICATION,),
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """An image leased to a reader, as the viewer is sent it: nothing here says what the image is."""

    key: str
    shape: tuple[int, int, int]
    bits: int
    shown_label: str | None
    file_sha256: str
    pixel_sha256: str
    spacing: tuple[float, float] | None
    rescale: tuple[float, float] | None


def claim(
    session: Session, now: datetime, reader_id: int, worklist_id: int, count: int, mode: ClaimMode = "single"
) -> list[Claimed]:
    """Lease up to `count` images to a reader, first those they hold already, so that a reload shows them again.

    A closed or paused worklist gives none. Raises NotFound for an unknown worklist, NotAllowed for a reader it is not
    open to, BadInput for a mode it does not have.
    """
    worklist = open_worklist(session, worklist_id)
    check_may_read(session, worklist, reader_id)
    recipe = recipe_of(worklist)
    check_mode(worklist, recipe, mode)
    check_practised(session, worklist, reader_id)
    if worklist.closed_at is not None or worklist.paused_at is not None:
        return []
    cursor = lock_cursor(session, reader_id, worklist_id)
    terms = LeaseTerms(now, worklist, recipe, cursor)
    held = _renew_leases(session, terms, count, mode)
    ids = [row.id for row in held]
    if len(ids) < count and session.get_one(Reader, reader_id).kind is ReaderKind.HUMAN:
        shared = sum(row.slot < PROXY_SLOT for row in held)
        ids += _assign(session, terms, count - len(ids), mode, shared)
    # Beside controls no geometry is sent, since only real images may have one.
    return _claimed(session, ids, scales_sent=not (worklist.controls or recipe.real_controls))


def check_practised(session: Session, worklist: Worklist, reader_id: int) -> None:
    """Raise NotAllowed for a person who has not finished the practice of the worklist."""
    practice = session.scalars(select(Worklist).where(Worklist.practice_for_id == worklist.id)).one_or_none()
    if practice is None or session.get_one(Reader, reader_id).kind is ReaderKind.PROXY:
        return
    cursor = session.get(ReaderCursor, (reader_id, practice.id))
    if cursor is None or cursor.done < practice.size - withdrawn_items_of(session, practice, reader_id).items:
        raise NotAllowed("finish the practice of this worklist first.")


def _renew_leases(session: Session, terms: LeaseTerms, count: int, mode: ClaimMode) -> Sequence[Row[int, int]]:
    """Renew the leases that the reader holds; those of a proxy never end."""
    # Locked first: at this moment another reader may be taking a lease that ran out.
    held = (
        select(Assignment.id, Assignment.slot)
        .where(
            Assignment.reader_id == terms.cursor.reader_id,
            Assignment.worklist_id == terms.worklist.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.purpose.in_(HELD_IN[mode]),
            Assignment.item_id.not_in(withdrawn_items()),
        )
        .order_by(func.coalesce(Assignment.sequence, 0), Assignment.position)
        .limit(count)
        .with_for_update()
    )
    rows = session.execute(held).all()
    proxy_slots = range(PROXY_SLOT, CONTROL_SLOT)
    renewed = [row.id for row in rows if row.slot not in proxy_slots]
    if renewed:
        session.execute(update(Assignment).where(Assignment.id.in_(renewed)).values(lease_until=terms.until))
    return rows


def _assign(session: Session, terms: LeaseTerms, wanted: int, mode: ClaimMode, shared_held: int) -> list[int]:
    """Assign further images, numbered in the order in which the reader meets them; returns ids."""
    if mode == "adjudicate":
        ids = assign_adjudications(session, terms, wanted)
    elif mode == "grid":
        ids = _assign_first(session, terms, wanted, shared_held)
    else:
        ids = _assign_single(session, terms, wanted, shared_held)
    start = terms.cursor.handed_out
    terms.cursor.handed_out += len(ids)
    if ids:
        numbered = [{"id": assignment_id, "sequence": number} for number, assignment_id in enumerate(ids, start)]
        session.execute(update(Assignment), numbered)
    return ids


def _assign_first(session: Session, terms: LeaseTerms, wanted: int, shared_held: int) -> list[int]:
    worklist, cursor = terms.worklist, terms.cursor
    candidates = worklist.size - worklist.controls
    walked_all = cursor.position + 1 >= worklist.size
    if wanted <= 0 or (walked_all and cursor.pooled_done + shared_held >= candidates):
        return []
    return assign_first_readings(session, terms, wanted)


def _assign_single(session: Session, terms: LeaseTerms, wanted: int, shared_held: int) -> list[int]:
    """Assign images the reader has not read, and mix in repeats and audits where nothing gives them away."""
    start = terms.cursor.handed_out
    repeats = draw_repeats(session, terms)
    audits = find_waiting_audits(session, terms.cursor.reader_id, terms.worklist.id, wanted)
    repeated = sum(repeat.due < start + wanted for repeat in repeats[:wanted])
    audited = min(len(audits), wanted // AUDITS_AMONG)
    firsts = _assign_first(session, terms, wanted - repeated - audited, shared_held)
    if len(firsts) + repeated + audited < wanted:  # at the end of the list all waiting audits come
        audited = min(len(audits), wanted - len(firsts) - repeated)
    assign_audits(session, terms, audits[:audited])
    every = AUDITS_AMONG if firsts else 1
    for number, audit in enumerate(audits[:audited], 1):
        firsts.insert(number * every - 1, audit)
    return _mix_in_repeats(session, terms, firsts, repeats, wanted)


def _mix_in_repeats(
    session: Session, terms: LeaseTerms, firsts: list[int], repeats: list[Repeat], wanted: int
) -> list[int]:
    start, ids, waiting = terms.cursor.handed_out, list[int](), list(repeats)
    remaining = list(firsts)
    while len(ids) < wanted:
        number = start + len(ids)
        due = next((repeat for repeat in waiting if repeat.due <= number), None)
        if due is None and not remaining:
            due = next((repeat for repeat in waiting if repeat.earliest <= number), None)
        if due is not None:
            waiting.remove(due)
            ids.append(add_repeat(session, terms, due))
        elif remaining:
            ids.append(remaining.pop(0))
        else:
            break
    return ids + remaining


def _claimed(session: Session, ids: list[int], scales_sent: bool) -> list[Claimed]:
    """Look up what the viewer is sent, in the order of `ids`."""
    query = (
        select(Assignment.id, Assignment.key, WorklistItem.shown_label, Image)
        .join(WorklistItem, WorklistItem.id == Assignment.item_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .where(Assignment.id.in_(ids))
    )
    claimed = {
        row.id: Claimed(
            key=row.key,
            shape=(row.Image.height, row.Image.width, row.Image.channels),
            bits=row.Image.bits,
            shown_label=row.shown_label,
            file_sha256=row.Image.file_sha256,
            pixel_sha256=row.Image.pixel_sha256,
            spacing=_spacing(row.Image) if scales_sent else None,
            rescale=_rescale(row.Image) if scales_sent else None,
        )
        for row in session.execute(query)
    }
    return [claimed[assignment_id] for assignment_id in ids]


def _rescale(image: Image) -> tuple[float, float]:
    """Slope and intercept for the values as stored, which are unsigned."""
    return image.rescale_slope, image.rescale_intercept - image.signed_offset * image.rescale_slope


def _spacing(image: Image) -> tuple[float, float] | None:
    if image.spacing_row_mm is None or image.spacing_column_mm is None:
        return None
    return image.spacing_row_mm, image.spacing_column_mm
