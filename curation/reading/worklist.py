"""Find a worklist; its state, its modes, and who may read it."""

from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, NotAllowed, NotFound
from curation.reading.recipe import WorklistRecipe
from curation.tables.reading import Worklist, WorklistKind, WorklistReader

ClaimMode = Literal["single", "grid", "adjudicate"]


def check_may_read(session: Session, worklist: Worklist, reader_id: int) -> None:
    """Raise NotAllowed unless the worklist is open to every reader or to this reader."""
    allowed = set(session.scalars(select(WorklistReader.reader_id).where(WorklistReader.worklist_id == worklist.id)))
    if allowed and reader_id not in allowed:
        raise NotAllowed("this worklist is for other readers.")


def check_mode(worklist: Worklist, recipe: WorklistRecipe, mode: str) -> None:
    """Raise BadInput for a mode that the worklist does not have."""
    if mode == "grid" and not has_grid(worklist, recipe):
        raise BadInput("this worklist is read one image at a time.")
    if mode == "adjudicate" and worklist.rule["kind"] != "adjudicated":
        raise BadInput("this worklist has no adjudication.")


def has_grid(worklist: Worklist, recipe: WorklistRecipe) -> bool:
    """Whether pages of images may be read: only where labels show, since a page gives no class."""
    return worklist.kind is WorklistKind.VERDICT and worklist.label_shown and recipe.grid


def open_worklist(session: Session, worklist_id: int) -> Worklist:
    """Load a worklist by id; raises NotFound."""
    worklist = session.get(Worklist, worklist_id)
    if worklist is None:
        raise NotFound(f"there is no worklist {worklist_id}.")
    return worklist


def find_worklist(session: Session, name: str) -> Worklist:
    """Find a worklist by name; raises NotFound."""
    worklist = session.scalars(select(Worklist).where(Worklist.name == name)).one_or_none()
    if worklist is None:
        raise NotFound(f"no worklist named {name!r}. `rounds worklist list` shows those there are.")
    return worklist


def state_of(worklist: Worklist) -> str:
    """Name the state of a worklist: building, ready, paused, closed or failed."""
    if worklist.closed_at is not None:
        return "closed"
    return "paused" if worklist.paused_at is not None else worklist.status.value
