"""Worklists: which images are read, the question, and the rules. Items are shuffled when the list is made."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
from sqlalchemy import Table, func, insert, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput, Conflict, NotFound
from curation.models.images import BuildStatus, Label
from curation.models.people import Reader, ReaderKind
from curation.models.reading import (
    Assignment,
    AssignmentState,
    Outcome,
    OutcomeVerdict,
    Purpose,
    ReaderCursor,
    Worklist,
    WorklistItem,
)
from curation.outcomes import recompute_outcomes
from curation.vocabulary import vocabulary
from curation.worklist_items import Item, choose_items, notice_of
from curation.worklist_items import WorklistRecipe as WorklistRecipe

CHUNK = 1_000
QUESTION_SHOWN = "Would you put this image in a training set as an example of {label}?"
QUESTION_BLIND = "Accept or reject, and which class?"


@dataclass(frozen=True, slots=True)
class WorklistSummary:
    """One line of `rounds worklist list`."""

    id: int
    name: str
    status: str
    images: int
    readers_per_image: int
    read_by_people: int
    read_by_proxies: int
    approved: int
    rejected: int


def create_worklist(session: Session, chain: Chain, now: datetime, recipe: WorklistRecipe) -> Worklist:
    """Make a worklist with its items and reading slots; the caller's one transaction makes it whole or not at all.

    Raises Conflict for a name in use, BadInput when there is nothing to read or controls do not match.
    """
    if session.scalars(select(Worklist.id).where(Worklist.name == recipe.name)).first() is not None:
        raise Conflict(f"worklist {recipe.name!r} exists already. Choose another name.")
    if recipe.rule == "single" and recipe.readers_per_image > 1:
        raise BadInput("the rule `single` goes with one reader per image; choose majority or unanimous.")
    for worklist_id in session.scalars(select(Worklist.id)).all():
        recompute_outcomes(session, worklist_id)
    items = choose_items(session, recipe)
    worklist = Worklist(
        name=recipe.name,
        status=BuildStatus.READY,
        question=recipe.question or (QUESTION_SHOWN if recipe.label_shown else QUESTION_BLIND),
        label_shown=recipe.label_shown,
        readers_per_image=recipe.readers_per_image,
        rule={"kind": recipe.rule, "readers": recipe.readers_per_image},
        classes=list(session.scalars(select(Label.name).order_by(Label.id))),
        reasons=vocabulary(recipe.vocabulary),
        recipe=recipe.model_dump(mode="json"),
        notice=notice_of(session, items),
        size=len(items),
        created_at=now,
    )
    session.add(worklist)
    session.flush()
    _add_items(session, worklist, items, recipe)
    chain.record(session, "worklist.created", {"worklist": worklist.id, "items": len(items)}, now)
    return worklist


def _add_items(session: Session, worklist: Worklist, items: Sequence[Item], recipe: WorklistRecipe) -> None:
    positions = np.random.default_rng(recipe.seed).permutation(len(items))
    # Statements on tables: the bookkeeping of mapped classes costs as much again, for rows by the hundred thousand.
    items_table, slots_table = cast(Table, WorklistItem.__table__), cast(Table, Assignment.__table__)
    returning = insert(items_table).returning(items_table.c.id, items_table.c.position)
    for start in range(0, len(items), CHUNK):
        chunk = list(zip(items[start : start + CHUNK], positions[start : start + CHUNK].tolist(), strict=True))
        values = [
            {
                "worklist_id": worklist.id,
                "image_id": item.image_id,
                "purpose": item.purpose,
                "truth": item.label if item.purpose is Purpose.REAL_CONTROL else None,
                "shown_label": item.label if recipe.label_shown else None,
                "position": position,
                "priority": 0.0,
            }
            for item, position in chunk
        ]
        slots = [
            slot_values(worklist.id, item_id, position, slot)
            for item_id, position in session.execute(returning, values)
            for slot in range(recipe.readers_per_image)
        ]
        session.execute(insert(slots_table), slots)


def slot_values(worklist_id: int, item_id: int, position: int, slot: int) -> dict[str, Any]:
    """The columns of an open reading slot under a fresh opaque key."""
    return {
        "key": uuid.uuid4().hex,
        "worklist_id": worklist_id,
        "item_id": item_id,
        "slot": slot,
        "position": position,
        "state": AssignmentState.OPEN,
    }


def find_worklist(session: Session, name: str) -> Worklist:
    """The worklist called `name`; raises NotFound."""
    worklist = session.scalars(select(Worklist).where(Worklist.name == name)).one_or_none()
    if worklist is None:
        raise NotFound(f"no worklist named {name!r}. `rounds worklist list` shows those there are.")
    return worklist


def close_worklist(session: Session, chain: Chain, now: datetime, name: str) -> Worklist:
    """End reading; closing again changes nothing."""
    worklist = find_worklist(session, name)
    if worklist.closed_at is None:
        worklist.closed_at = now
        chain.record(session, "worklist.closed", {"worklist": worklist.id}, now)
    return worklist


def list_worklists(session: Session) -> list[WorklistSummary]:
    """Every worklist with how far it is and who read."""
    return [_summary(session, worklist) for worklist in session.scalars(select(Worklist).order_by(Worklist.id))]


def _summary(session: Session, worklist: Worklist) -> WorklistSummary:
    read = dict(
        session.execute(
            select(Reader.kind, func.sum(ReaderCursor.done))
            .join(ReaderCursor, ReaderCursor.reader_id == Reader.id)
            .where(ReaderCursor.worklist_id == worklist.id)
            .group_by(Reader.kind)
        ).all()
    )
    outcomes = dict(
        session.execute(
            select(Outcome.verdict, func.count()).where(Outcome.worklist_id == worklist.id).group_by(Outcome.verdict)
        ).all()
    )
    return WorklistSummary(
        id=worklist.id,
        name=worklist.name,
        status="closed" if worklist.closed_at else worklist.status.value,
        images=worklist.size,
        readers_per_image=worklist.readers_per_image,
        read_by_people=int(read.get(ReaderKind.HUMAN) or 0),
        read_by_proxies=int(read.get(ReaderKind.PROXY) or 0),
        approved=outcomes.get(OutcomeVerdict.APPROVED, 0),
        rejected=outcomes.get(OutcomeVerdict.REJECTED, 0),
    )
