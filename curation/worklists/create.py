"""Make a worklist with its items and slots; close it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from curation.audit import MEMBERS, Chain
from curation.errors import Conflict
from curation.readers.accounts import find_reader
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.slots import make_cursor, slot_values
from curation.reading.worklist import find_worklist
from curation.requests import check_name
from curation.tables.images import BuildStatus, Label
from curation.tables.reading import Assignment, Purpose, Worklist, WorklistItem, WorklistKind, WorklistReader
from curation.worklists.choose import choose_items, choose_practice_items, draw_positions, notice_of
from curation.worklists.items import Item
from curation.worklists.opening_window import choose_opening_window
from curation.worklists.shares import deal_readers
from curation.worklists.vocabulary import load_vocabulary

CHUNK = 1_000

Dealt: TypeAlias = Iterator[tuple[int, ...]]
QUESTION_SHOWN = "Would you put this image in a training set as an example of {label}?"
QUESTION_BLIND = "Accept or reject, and which class?"
QUESTION_TURING = "Is this a real image or a synthetic one?"
PRACTICE_NAME = 80  # characters of the worklist's name in the name of its practice


def create_worklist(session: Session, chain: Chain, now: datetime, recipe: WorklistRecipe) -> Worklist:
    """Make a worklist with its items and slots, in the caller's transaction.

    With `recipe.practice` a second worklist is made, which each reader finishes first. Raises Conflict for a name in
    use, NotFound for an unknown reader, BadInput when there is nothing to read or there are too few controls.
    """
    _check_name(session, check_name(recipe.name, "worklist"))
    readers = [find_reader(session, name) for name in recipe.readers]
    for worklist_id in session.scalars(select(Worklist.id)).all():
        recompute_outcomes(session, worklist_id)
    items = choose_items(session, recipe)
    recipe = recipe.model_copy(update={"window": recipe.window or choose_opening_window(session, items)})
    worklist = _add_worklist(session, recipe, WorklistKind(recipe.kind), items, now)
    dealt = deal_readers([reader.id for reader in readers], recipe.readers_per_image, recipe.seed)
    _add_items(session, worklist, items, recipe, dealt if recipe.shares == "allotted" else None)
    session.add_all(WorklistReader(worklist_id=worklist.id, reader_id=reader.id) for reader in readers)
    if recipe.practice:
        _record(session, chain, _add_practice(session, worklist, recipe, items, now), now)
    _record(session, chain, worklist, now)
    return worklist


def _record(session: Session, chain: Chain, worklist: Worklist, now: datetime) -> None:
    session.flush()
    members = chain.members(session, Worklist, worklist.id)
    chain.record_row(session, "worklist.created", worklist, {"items": worklist.size, MEMBERS: members}, now)


def _check_name(session: Session, name: str) -> None:
    if session.scalars(select(Worklist.id).where(Worklist.name == name)).first() is not None:
        raise Conflict(f"worklist {name!r} exists already. Choose another name.")


def _add_worklist(
    session: Session, recipe: WorklistRecipe, kind: WorklistKind, items: Sequence[Item], now: datetime
) -> Worklist:
    question = QUESTION_SHOWN if recipe.label_shown else QUESTION_BLIND
    worklist = Worklist(
        name=recipe.name,
        kind=kind,
        status=BuildStatus.READY,
        question=recipe.question or (QUESTION_TURING if recipe.kind == "turing" else question),
        label_shown=recipe.label_shown,
        readers_per_image=recipe.readers_per_image,
        rule={"kind": recipe.rule, "readers": recipe.readers_per_image},
        classes=list(session.scalars(select(Label.name).order_by(Label.id))),
        reasons=load_vocabulary(session, recipe.vocabulary),
        recipe=recipe.model_dump(mode="json"),
        notice=notice_of(session, items),
        size=len(items),
        controls=sum(not _is_shared(item.purpose, kind) for item in items),
        created_at=now,
    )
    session.add(worklist)
    session.flush()
    return worklist


def _add_practice(
    session: Session, worklist: Worklist, recipe: WorklistRecipe, items: Sequence[Item], now: datetime
) -> Worklist:
    """Make the practice of a worklist: images of known truth from training subjects, with feedback."""
    renamed = recipe.model_copy(update={"name": f"{recipe.name[:PRACTICE_NAME]} (practice)"})
    _check_name(session, renamed.name)
    chosen = choose_practice_items(session, recipe, items)
    practice = _add_worklist(session, renamed, WorklistKind.PRACTICE, chosen, now)
    practice.practice_for_id = worklist.id
    _add_items(session, practice, chosen, recipe)
    return practice


def _add_items(
    session: Session, worklist: Worklist, items: Sequence[Item], recipe: WorklistRecipe, dealt: Dealt | None = None
) -> None:
    """Add the items at their places, and shared slots for candidates; controls get a slot when they are assigned.

    `dealt` names the readers of each candidate in turn; without it the next reader takes it.
    """
    shares: Counter[int | None] = Counter()
    positions = draw_positions(items, recipe)
    # Statements on tables: for hundreds of thousands of rows, mapped classes would double the time.
    items_table, slots_table = cast(Table, WorklistItem.__table__), cast(Table, Assignment.__table__)
    returning = insert(items_table).returning(items_table.c.id, items_table.c.position, items_table.c.purpose)
    for start in range(0, len(items), CHUNK):
        chunk = list(zip(items[start : start + CHUNK], positions[start : start + CHUNK], strict=True))
        values = [_item_values(worklist, item, position) for item, position in chunk]
        nobody = (None,) * recipe.readers_per_image
        slots = [
            slot_values(worklist.id, item_id, position, slot) | {"reader_id": reader_id}
            for item_id, position, purpose in sorted(session.execute(returning, values), key=lambda row: row.position)
            if _is_shared(purpose, worklist.kind)
            for slot, reader_id in enumerate(next(dealt) if dealt else nobody)
        ]
        if slots:
            session.execute(insert(slots_table), slots)
        shares.update(slot["reader_id"] for slot in slots)
    if dealt:
        session.add_all(make_cursor(reader_id, worklist.id, share) for reader_id, share in shares.items() if reader_id)


def _is_shared(purpose: Purpose, kind: WorklistKind) -> bool:
    """Whether readers share an item's slots; every reader reads controls, and in a Turing test every image."""
    return purpose in (Purpose.CANDIDATE, Purpose.GATE_AUDIT) and kind is not WorklistKind.TURING


def _item_values(worklist: Worklist, item: Item, position: int) -> dict[str, Any]:
    return {
        "worklist_id": worklist.id,
        "image_id": item.image_id,
        "purpose": item.purpose,
        "truth": item.truth,
        "shown_label": item.label if worklist.label_shown else None,
        "position": position,
        "priority": item.priority,
    }


def close_worklist(session: Session, chain: Chain, now: datetime, name: str) -> dict[str, int]:
    """Close a worklist and work out its outcomes; returns counts by verdict. Closing it again changes nothing else."""
    worklist = find_worklist(session, name)
    session.refresh(worklist, with_for_update=True)  # two callers at once record one event
    if worklist.closed_at is None:
        practices = session.scalars(select(Worklist).where(Worklist.practice_for_id == worklist.id)).all()
        for closing in (*practices, worklist):
            with chain.change(session, "worklist.closed", closing, {}, now):
                closing.closed_at = now
    return recompute_outcomes(session, worklist.id)
