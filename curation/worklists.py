"""Worklists: which images are read, the question, and the rules. Items are shuffled when the list is made."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, and_, func, insert, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput, Conflict, NotFound
from curation.models.generation import Batch, Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.models.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject
from curation.models.reading import (
    Assignment,
    AssignmentState,
    Outcome,
    OutcomeVerdict,
    Purpose,
    Reader,
    ReaderCursor,
    ReaderKind,
    Worklist,
    WorklistItem,
)
from curation.vocabulary import vocabulary

CHUNK = 1_000
QUESTION_SHOWN = "Would you put this image in a training set as an example of {label}?"
QUESTION_BLIND = "Accept or reject, and which class?"


class WorklistRecipe(BaseModel):
    """What a worklist holds and how it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    batches: tuple[int, ...] = Field(default=(), description="batch ids; none named means every screened batch")
    include: tuple[Literal["pass", "flag"], ...] = ("pass", "flag")
    limit: int | None = Field(default=None, gt=0, description="at most this many candidates, chosen by the seed")
    again: bool = Field(default=False, description="take images that have an outcome already as well")
    readers_per_image: int = Field(default=1, ge=1, le=5)
    rule: Literal["single", "majority", "unanimous"] = "single"
    label_shown: bool = True
    real_controls: int = Field(default=0, ge=0)
    vocabulary: str = "general"
    question: str | None = Field(default=None, max_length=500)
    seed: int = 0


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


@dataclass(frozen=True, slots=True)
class _Item:
    image: Image
    label: str
    purpose: Purpose


def create_worklist(session: Session, chain: Chain, now: datetime, recipe: WorklistRecipe) -> Worklist:
    """Make a worklist with its items and reading slots; the caller's one transaction makes it whole or not at all.

    Raises Conflict for a name in use, BadInput when there is nothing to read or controls do not match.
    """
    if session.scalars(select(Worklist.id).where(Worklist.name == recipe.name)).first() is not None:
        raise Conflict(f"worklist {recipe.name!r} exists already. Choose another name.")
    if recipe.rule == "single" and recipe.readers_per_image > 1:
        raise BadInput("the rule `single` goes with one reader per image; choose majority or unanimous.")
    candidates = _candidates(session, recipe)
    if not candidates:
        raise BadInput(
            "no screened candidate to read: `rounds generate` draws some and `rounds screen` checks them; "
            "images that have an outcome already are read again only with --again."
        )
    items = candidates + _real_controls(session, recipe, candidates)
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
        notice=_notice(session, items),
        size=len(items),
        created_at=now,
    )
    session.add(worklist)
    session.flush()
    _add_items(session, worklist, items, recipe)
    chain.record(session, "worklist.created", {"worklist": worklist.id, "items": len(items)}, now)
    return worklist


def _candidates(session: Session, recipe: WorklistRecipe) -> list[_Item]:
    """Images of the latest finished screening of each batch, in the order of a hash of the seed and the pixels."""
    latest = select(func.max(Screening.id)).where(Screening.status == BuildStatus.READY).group_by(Screening.batch_id)
    if recipe.batches:
        latest = latest.where(Screening.batch_id.in_(recipe.batches))
    requested = and_(ImageLabel.image_id == Image.id, ImageLabel.source == "request", ImageLabel.value >= 0.5)
    query = (
        select(Image, Label.name)
        .join(ScreenedImage, ScreenedImage.image_id == Image.id)
        .join(ImageLabel, requested)
        .join(Label, Label.id == ImageLabel.label_id)
        .where(
            ScreenedImage.screening_id.in_(latest),
            ScreenedImage.verdict.in_([ScreeningVerdict(verdict) for verdict in recipe.include]),
        )
    )
    if not recipe.again:
        settled = select(Outcome.image_id).where(Outcome.verdict != OutcomeVerdict.UNRESOLVED)
        query = query.where(Image.id.not_in(settled))
    found = [_Item(image, label, Purpose.CANDIDATE) for image, label in session.execute(query)]
    return _by_hash(found, recipe.seed)[: recipe.limit]


def _real_controls(session: Session, recipe: WorklistRecipe, candidates: Sequence[_Item]) -> list[_Item]:
    """Real images of validation subjects, which no generator may have seen, of the candidates' shape."""
    if not recipe.real_controls:
        return []
    first = candidates[0].image
    imported = and_(ImageLabel.image_id == Image.id, ImageLabel.source == "import", ImageLabel.value >= 0.5)
    query = (
        select(Image, Label.name)
        .join(Subject, Subject.id == Image.subject_id)
        .join(ImageLabel, imported)
        .join(Label, Label.id == ImageLabel.label_id)
        .where(Image.origin == Origin.REAL, Subject.split == Split.VALIDATION, *_same_shape(first))
    )
    found = [_Item(image, label, Purpose.REAL_CONTROL) for image, label in session.execute(query)]
    if len(found) < recipe.real_controls:
        raise BadInput(
            f"expected {recipe.real_controls} real validation images of {first.height}x{first.width}x{first.channels}, "
            f"{first.bits} bit, as controls; there are {len(found)}. Ask for fewer, or import images of the same shape."
        )
    return _by_hash(found, recipe.seed)[: recipe.real_controls]


def _same_shape(image: Image) -> list[ColumnElement[bool]]:
    return [getattr(Image, name) == getattr(image, name) for name in ("height", "width", "channels", "bits")]


def _by_hash(items: list[_Item], seed: int) -> list[_Item]:
    def position(item: _Item) -> str:
        return hashlib.sha256(f"{seed}:{item.image.pixel_sha256}".encode()).hexdigest()

    return sorted(items, key=position)


def _notice(session: Session, items: Sequence[_Item]) -> str | None:
    batches = {item.image.batch_id for item in items if item.image.batch_id is not None}
    imports = {item.image.import_id for item in items if item.image.import_id is not None}
    cards = session.scalars(
        select(Generator.card).join(Batch, Batch.generator_id == Generator.id).where(Batch.id.in_(batches))
    )
    notices = {card.get("notice") for card in cards} | set(
        session.scalars(select(Import.notice).where(Import.id.in_(imports)))
    )
    return " ".join(sorted(notice for notice in notices if notice)) or None


def _add_items(session: Session, worklist: Worklist, items: Sequence[_Item], recipe: WorklistRecipe) -> None:
    positions = np.random.default_rng(recipe.seed).permutation(len(items))
    for start in range(0, len(items), CHUNK):
        chunk = list(zip(items[start : start + CHUNK], positions[start : start + CHUNK].tolist(), strict=True))
        values = [
            {
                "worklist_id": worklist.id,
                "image_id": item.image.id,
                "purpose": item.purpose,
                "truth": item.label if item.purpose is Purpose.REAL_CONTROL else None,
                "shown_label": item.label if recipe.label_shown else None,
                "position": position,
            }
            for item, position in chunk
        ]
        made = session.execute(insert(WorklistItem).returning(WorklistItem.id, WorklistItem.position), values)
        slots = [
            slot_values(worklist.id, item_id, position, slot)
            for item_id, position in made
            for slot in range(recipe.readers_per_image)
        ]
        session.execute(insert(Assignment), slots)


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
        ).tuples()
    )
    outcomes = dict(
        session.execute(
            select(Outcome.verdict, func.count()).where(Outcome.worklist_id == worklist.id).group_by(Outcome.verdict)
        ).tuples()
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
