"""Claims: images are leased to a reader, and the lease expires."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from curation.errors import NotAllowed
from curation.provenance.withdrawn import withdrawn_items
from curation.reading.assignment import hand_out_adjudications, hand_out_first
from curation.reading.grid_audits import AUDITS_AMONG, hand_out_audits, waiting_audits
from curation.reading.progress import gone_for
from curation.reading.recipe import WorklistRecipe, recipe_of
from curation.reading.repeats import Repeat, add_repeat, repeats_to_come
from curation.reading.slots import PROXY_SLOT, Handing, locked_cursor
from curation.reading.worklist import ClaimMode, check_may_read, check_mode, open_worklist
from curation.tables.images import Image
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    ReaderCursor,
    Worklist,
    WorklistItem,
)

HELD_IN: dict[ClaimMode, tuple[AssignmentPurpose, ...]] = {
    "single": (AssignmentPurpose.FIRST, AssignmentPurpose.REPEAT, AssignmentPurpose.GRID_AUDIT),
    "grid": (AssignmentPurpose.FIRST,),
    "adjudicate": (AssignmentPurpose.ADJUDICATION,),
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """An image leased to a reader: what the viewer needs, and nothing that says what the image is."""

    key: str
    shape: tuple[int, int, int]
    bits: int
    shown_label: str | None
    file_sha256: str
    spacing: tuple[float, float] | None
    rescale: tuple[float, float] | None


def claim(
    session: Session,
    now: datetime,
    reader_id: int,
    worklist_id: int,
    count: int,
    mode: ClaimMode = "single",
) -> list[Claimed]:
    """Lease up to `count` images to a reader: their own live leases first, so that a reload takes them up.

    Raises NotFound for an unknown worklist, NotAllowed for a reader it is not open to, BadInput for a mode it does not
    have. A closed or paused one gives nothing.
    """
    worklist = open_worklist(session, worklist_id)
    check_may_read(session, worklist, reader_id)
    recipe = recipe_of(worklist)
    check_mode(worklist, recipe, mode)
    check_practised(session, worklist, reader_id)
    if worklist.closed_at is not None or worklist.paused_at is not None:
        return []
    cursor = locked_cursor(session, reader_id, worklist_id)
    handing = Handing(now, worklist, recipe, cursor)
    held = _renew_own(session, handing, count, mode)
    ids = [row.id for row in held]
    if len(ids) < count and session.get_one(Reader, reader_id).kind is ReaderKind.HUMAN:
        shared = sum(row.slot < PROXY_SLOT for row in held)
        ids += _hand_out(session, handing, count - len(ids), mode, shared)
    return _claimed(session, ids, geometry_sent=not _has_controls(worklist, recipe))


def check_practised(session: Session, worklist: Worklist, reader_id: int) -> None:
    """Raise NotAllowed for a person who has not finished the practice that comes first."""
    practice = session.scalars(select(Worklist).where(Worklist.practice_for_id == worklist.id)).one_or_none()
    if practice is None or session.get_one(Reader, reader_id).kind is ReaderKind.PROXY:
        return
    cursor = session.get(ReaderCursor, (reader_id, practice.id))
    if cursor is None or cursor.done < practice.size - gone_for(session, practice, reader_id).items:
        raise NotAllowed("finish the practice of this worklist first.")


def _has_controls(worklist: Worklist, recipe: WorklistRecipe) -> bool:
    """Geometry may be known of real images alone, so beside controls none is sent."""
    return bool(worklist.controls or recipe.real_controls)


def _renew_own(session: Session, handing: Handing, count: int, mode: ClaimMode) -> Sequence[Row[int, int]]:
    # Locked first: a lease that ran out may be going to another reader at this moment, and is then no longer ours.
    own = (
        select(Assignment.id, Assignment.slot)
        .where(
            Assignment.reader_id == handing.cursor.reader_id,
            Assignment.worklist_id == handing.worklist.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.purpose.in_(HELD_IN[mode]),
            Assignment.item_id.not_in(withdrawn_items()),
        )
        .order_by(func.coalesce(Assignment.sequence, 0), Assignment.position)
        .limit(count)
        .with_for_update()
    )
    rows = session.execute(own).all()
    kept_for_good = range(PROXY_SLOT, PROXY_SLOT * PROXY_SLOT)
    people = [row.id for row in rows if row.slot not in kept_for_good]
    if people:
        session.execute(update(Assignment).where(Assignment.id.in_(people)).values(lease_until=handing.until))
    return rows


def _hand_out(session: Session, handing: Handing, wanted: int, mode: ClaimMode, shared_held: int) -> list[int]:
    """New assignments, numbered in the order in which they will be met."""
    if mode == "adjudicate":
        ids = hand_out_adjudications(session, handing, wanted)
    elif mode == "grid":
        ids = _first(session, handing, wanted, shared_held)
    else:
        ids = _single(session, handing, wanted, shared_held)
    start = handing.cursor.handed_out
    handing.cursor.handed_out += len(ids)
    if ids:
        session.execute(update(Assignment), [{"id": one, "sequence": start + n} for n, one in enumerate(ids)])
    return ids


def _first(session: Session, handing: Handing, wanted: int, shared_held: int) -> list[int]:
    worklist, cursor = handing.worklist, handing.cursor
    candidates = worklist.size - worklist.controls
    walked_all = cursor.position + 1 >= worklist.size
    if wanted <= 0 or (walked_all and cursor.pooled_done + shared_held >= candidates):
        return []
    return hand_out_first(session, handing, wanted)


def _single(session: Session, handing: Handing, wanted: int, shared_held: int) -> list[int]:
    """Images the reader has not met, with those that come back mixed in where nothing gives them away."""
    start = handing.cursor.handed_out
    repeats = repeats_to_come(session, handing)
    audits = waiting_audits(session, handing.cursor.reader_id, handing.worklist.id, wanted)
    expected = sum(repeat.due < start + wanted for repeat in repeats[:wanted])
    few = min(len(audits), wanted // AUDITS_AMONG)
    firsts = _first(session, handing, wanted - expected - few, shared_held)
    if len(firsts) + expected + few < wanted:  # the end of the list: what waits comes now
        few = min(len(audits), wanted - len(firsts) - expected)
    hand_out_audits(session, handing, audits[:few])
    every = AUDITS_AMONG if firsts else 1
    for number, audit in enumerate(audits[:few], 1):
        firsts.insert(number * every - 1, audit)
    return _with_repeats(session, handing, firsts, repeats, wanted)


def _with_repeats(
    session: Session, handing: Handing, firsts: list[int], repeats: list[Repeat], wanted: int
) -> list[int]:
    start, ids, waiting = handing.cursor.handed_out, list[int](), list(repeats)
    remaining = list(firsts)
    while len(ids) < wanted:
        number = start + len(ids)
        due = next((one for one in waiting if one.due <= number), None)
        if due is None and not remaining:
            due = next((one for one in waiting if one.earliest <= number), None)
        if due is not None:
            waiting.remove(due)
            ids.append(add_repeat(session, handing, due))
        elif remaining:
            ids.append(remaining.pop(0))
        else:
            break
    return ids + remaining


def _claimed(session: Session, identities: list[int], geometry_sent: bool) -> list[Claimed]:
    """What the viewer is sent, in the order of `identities`."""
    query = (
        select(Assignment.id, Assignment.key, WorklistItem.shown_label, Image)
        .join(WorklistItem, WorklistItem.id == Assignment.item_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .where(Assignment.id.in_(identities))
    )
    found = {
        row.id: Claimed(
            key=row.key,
            shape=(row.Image.height, row.Image.width, row.Image.channels),
            bits=row.Image.bits,
            shown_label=row.shown_label,
            file_sha256=row.Image.file_sha256,
            spacing=_spacing(row.Image) if geometry_sent else None,
            rescale=_rescale(row.Image) if geometry_sent else None,
        )
        for row in session.execute(query)
    }
    return [found[identity] for identity in identities]


def _rescale(image: Image) -> tuple[float, float]:
    """Slope and intercept of the stored values themselves, what made signed ones unsigned taken back."""
    return image.rescale_slope, image.rescale_intercept - image.signed_offset * image.rescale_slope


def _spacing(image: Image) -> tuple[float, float] | None:
    if image.spacing_row_mm is None or image.spacing_column_mm is None:
        return None
    return image.spacing_row_mm, image.spacing_column_mm
