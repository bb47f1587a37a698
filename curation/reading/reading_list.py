"""List the worklists that a reader may open now; an unfinished practice stands for its worklist."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from curation.reading.assignment import count_adjudications
from curation.reading.recipe import recipe_of
from curation.reading.worklist import ClaimMode, has_grid
from curation.tables.images import BuildStatus
from curation.tables.reading import ReaderCursor, Worklist, WorklistKind, WorklistReader


@dataclass(frozen=True, slots=True)
class ReadableWorklist:
    """A worklist as the viewer is sent it: nothing here says how many controls there are."""

    id: int
    created_at: str  # tells it from the worklist of that id in another project at the same address
    name: str
    kind: str
    modes: tuple[ClaimMode, ...]
    question: str
    label_shown: bool
    classes: list[Any]
    reasons: list[Any]
    notice: str | None
    ratings: bool
    modality: str
    window: tuple[float, float] | None  # centre and width that every image opens at, in stored values
    practice_left: int | None
    disputed: int  # images on which readers disagree and that this adjudicator may settle


def list_readable_worklists(session: Session, reader_id: int, may_adjudicate: bool) -> list[ReadableWorklist]:
    """List open worklists that a reader may read, newest first; unfinished practice takes its worklist's place."""
    named = exists().where(WorklistReader.worklist_id == Worklist.id)
    query = (
        select(Worklist)
        .where(
            Worklist.status == BuildStatus.READY,
            Worklist.kind != WorklistKind.PRACTICE,
            Worklist.closed_at.is_(None),
            Worklist.paused_at.is_(None),
            or_(~named, named.where(WorklistReader.reader_id == reader_id)),
        )
        .order_by(Worklist.id.desc())
    )
    readable = []
    for worklist in session.scalars(query):
        practice, left = _practice(session, reader_id, worklist.id)
        readable.append(_readable(session, reader_id, practice or worklist, may_adjudicate, left))
    return readable


def _practice(session: Session, reader_id: int, worklist_id: int) -> tuple[Worklist | None, int | None]:
    """Find the unfinished practice of a worklist and how many of its images are left."""
    practice = session.scalars(select(Worklist).where(Worklist.practice_for_id == worklist_id)).one_or_none()
    if practice is None:
        return None, None
    cursor = session.get(ReaderCursor, (reader_id, practice.id))
    left = practice.size - (cursor.done if cursor else 0)
    return (practice, left) if left > 0 else (None, None)


def _readable(
    session: Session, reader_id: int, worklist: Worklist, may_adjudicate: bool, practice_left: int | None
) -> ReadableWorklist:
    recipe = recipe_of(worklist)
    modes: list[ClaimMode] = ["single"]
    if has_grid(worklist, recipe):
        modes.append("grid")
    if may_adjudicate and worklist.rule["kind"] == "adjudicated" and worklist.kind is WorklistKind.VERDICT:
        modes.append("adjudicate")
    disputed = count_adjudications(session, worklist.id, reader_id)[1] if "adjudicate" in modes else 0
    return ReadableWorklist(
        worklist.id,
        worklist.created_at.isoformat(),
        worklist.name,
        worklist.kind.value,
        tuple(modes),
        worklist.question,
        worklist.label_shown,
        worklist.classes,
        worklist.reasons,
        worklist.notice,
        recipe.ratings,
        recipe.modality,
        recipe.window,
        practice_left,
        disputed,
    )
