"""Find the next pairs for a judge; record a judgement or take it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from curation.audit import Chain
from curation.errors import Conflict, NotFound
from curation.requests import FrozenRequest
from curation.tables.content import CONTENT, judgement_content
from curation.tables.images import BuildStatus, Image
from curation.tables.pairs import Pair, PairList, PairReading, PairVerdict

OP_ID = r"^[0-9a-f]{32}$"


class Judgement(FrozenRequest):
    """A judgement or its withdrawal as the page sends it; sending the same `op_id` twice is harmless."""

    op_id: str = Field(pattern=OP_ID)
    key: str = Field(pattern=OP_ID)
    verdict: PairVerdict | None = None
    voids_op_id: str | None = Field(default=None, pattern=OP_ID)
    elapsed_ms: int | None = Field(default=None, ge=0, lt=2**31)
    read_at: datetime

    @model_validator(mode="after")
    def _has_verdict_or_voids(self) -> "Judgement":
        if (self.verdict is None) == (self.voids_op_id is None):
            raise ValueError("expected a verdict, or what it takes back")
        if self.read_at.tzinfo is None:
            raise ValueError("expected a time with its zone")
        return self


@dataclass(frozen=True, slots=True)
class PairToJudge:
    """A pair as a browser is sent it: nothing here says which of the two is real, or whether both are."""

    key: str
    first: tuple[int, int, int, int]  # height, width, channels, bits
    second: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class OpenPairList:
    """A list that can be judged, and how far this judge is."""

    id: int
    name: str
    total: int  # without pairs of a withdrawn image that this judge did not judge before
    done: int


def judgement_stands() -> ColumnElement[bool]:
    """The condition that a `PairReading` is a verdict and was not taken back."""
    undo = aliased(PairReading)
    return PairReading.verdict.is_not(None) & ~exists().where(undo.voids_id == PairReading.id)


def list_open_pair_lists(session: Session, reader_id: int) -> list[OpenPairList]:
    """List the pair lists that are not closed, newest first."""
    judged_by_reader = _judged_by(reader_id)
    of_lists = select(Pair.pair_list_id, func.count()).group_by(Pair.pair_list_id)
    judged = dict(session.execute(of_lists.where(judged_by_reader)).all())
    totals = dict(session.execute(of_lists.where(judged_by_reader | ~_withdrawn())).all())
    lists = select(PairList).where(PairList.status == BuildStatus.READY, PairList.closed_at.is_(None))
    return [
        OpenPairList(listed.id, listed.name, totals.get(listed.id, 0), judged.get(listed.id, 0))
        for listed in session.scalars(lists.order_by(PairList.id.desc()))
    ]


def _judged_by(reader_id: int) -> ColumnElement[bool]:
    return exists().where(PairReading.pair_id == Pair.id, PairReading.reader_id == reader_id, judgement_stands())


def _withdrawn() -> ColumnElement[bool]:
    """The condition that an image of a `Pair` was withdrawn; such a pair is not shown."""
    return exists().where(Image.id.in_((Pair.first_image_id, Pair.second_image_id)), Image.withdrawn_at.is_not(None))


def find_next_pairs(session: Session, reader_id: int, pair_list_id: int, count: int) -> list[PairToJudge]:
    """Find the next pairs that this judge has not judged, in the list's order; none of a closed list."""
    is_open = exists().where(PairList.id == Pair.pair_list_id, PairList.closed_at.is_(None))
    query = select(Pair).where(Pair.pair_list_id == pair_list_id, is_open, ~_judged_by(reader_id), ~_withdrawn())
    query = query.order_by(Pair.position).limit(count)
    return [PairToJudge(pair.key, pair.first.shape, pair.second.shape) for pair in session.scalars(query)]


def find_pair_image(session: Session, key: str, side: str) -> str:
    """Find the file digest of one side (`first` or `second`) of a pair; raises NotFound."""
    image_id = {"first": Pair.first_image_id, "second": Pair.second_image_id}.get(side)
    if image_id is None:
        raise NotFound("there is no such image.")
    is_open = exists().where(PairList.id == Pair.pair_list_id, PairList.closed_at.is_(None))
    query = select(Image.file_sha256).join(Pair, image_id == Image.id)
    digest = session.scalar(query.where(Pair.key == key, is_open, Image.withdrawn_at.is_(None)))
    if digest is None:
        raise NotFound("there is no such image.")
    return digest


def record_judgement(session: Session, chain: Chain, now: datetime, reader_id: int, judgement: Judgement) -> None:
    """Record a judgement, or take one back; the same operation again changes nothing.

    Raises NotFound for an unknown pair, Conflict for a closed list, a pair this judge has judged, an operation id that
    stands for another judgement, or nothing to take back.
    """
    pair = session.scalars(select(Pair).where(Pair.key == judgement.key)).one_or_none()
    if pair is None:
        raise NotFound("there is no such pair.")
    # Locked first, so that two pages of one judge come one after the other, also where both send the same judgement.
    listed = session.scalars(select(PairList).where(PairList.id == pair.pair_list_id).with_for_update()).one()
    if _is_recorded(session, judgement.op_id, reader_id, pair.id):
        return
    if listed.closed_at is not None:
        raise Conflict("this list of pairs is closed.")
    of_judge = (PairReading.pair_id == pair.id, PairReading.reader_id == reader_id, judgement_stands())
    standing = session.scalars(select(PairReading).where(*of_judge)).one_or_none()
    if judgement.verdict is not None and standing is not None:
        raise Conflict("this pair is judged already.")
    if judgement.voids_op_id is not None and (standing is None or standing.op_id != judgement.voids_op_id):
        raise Conflict("there is no such judgement to take back.")
    row = PairReading(
        op_id=judgement.op_id,
        pair_id=pair.id,
        reader_id=reader_id,
        voids_id=standing.id if judgement.voids_op_id is not None and standing is not None else None,
        verdict=judgement.verdict,
        elapsed_ms=judgement.elapsed_ms,
        read_at=judgement.read_at,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as error:
        raise Conflict("this operation was recorded meanwhile.") from error
    payload = {"pair_reading": row.id, "pair": pair.id, "reader": reader_id, CONTENT: judgement_content(row)}
    chain.record(session, "pair.judged", payload, now)


def _is_recorded(session: Session, op_id: str, reader_id: int, pair_id: int) -> bool:
    recorded: Sequence[Any] = session.execute(
        select(PairReading.reader_id, PairReading.pair_id).where(PairReading.op_id == op_id)
    ).all()
    if recorded and tuple(recorded[0]) != (reader_id, pair_id):
        raise Conflict("this operation id stands for another judgement.")
    return bool(recorded)
