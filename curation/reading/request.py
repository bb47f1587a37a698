"""A verdict as the client sends it, and its validation against the worklist."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.reading.recipe import WorklistRecipe
from curation.reading.worklist import check_mode
from curation.requests import FrozenRequest
from curation.tables.images import Image
from curation.tables.reading import Assignment, AssignmentPurpose, Verdict, Worklist, WorklistItem, WorklistKind

REAL_FROM = 4  # of six: 1 surely synthetic, 6 surely real

Rating = Annotated[int, Field(ge=1, le=5)]


class Mark(FrozenRequest):
    """A point or a box that the reader marks, in stored pixels from the left and the top."""

    model_config = ConfigDict(allow_inf_nan=False)

    kind: Literal["point", "box"]
    x: float = Field(ge=0)
    y: float = Field(ge=0)
    width: float | None = Field(default=None, gt=0)
    height: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _has_a_size_if_it_is_a_box(self) -> Self:
        sized = self.width is not None and self.height is not None
        if sized != (self.kind == "box") or (self.kind == "point" and (self.width or self.height)):
            raise ValueError("a box has a width and a height, a point has neither")
        return self


class ReadingRequest(FrozenRequest):
    """A verdict as the client sends it; sending the same `op_id` again is harmless."""

    op_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    assignment_key: str = Field(pattern=r"^[0-9a-f]{32}$")
    verdict: Verdict
    reasons: tuple[str, ...] = Field(default=(), max_length=20)
    corrected_label: str | None = Field(default=None, max_length=100)
    comment: str | None = Field(default=None, max_length=2_000)
    elapsed_ms: int | None = Field(default=None, ge=0, lt=2**31)
    idle_ms: int | None = Field(default=None, ge=0, lt=2**31)
    mode: Literal["single", "grid"] = "single"
    page_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    ratings: dict[Literal["anatomy", "typicality", "quality"], Rating] | None = None
    mark: Mark | None = None
    confidence: int | None = Field(default=None, ge=1, le=6)
    after_reveal: bool = False
    read_at: AwareDatetime


def check_request(
    session: Session, worklist: Worklist, recipe: WorklistRecipe, assignment: Assignment, request: ReadingRequest
) -> None:
    """Raise BadInput for a reason, class, mark, rating or mode that the worklist does not have."""
    _check_verdict(worklist, request)
    if request.mode == "grid":
        check_mode(worklist, recipe, "grid")
        if assignment.purpose is not AssignmentPurpose.FIRST:
            raise BadInput("this image is read singly, not in a grid.")
    if (request.page_id is not None) != (request.mode == "grid"):
        raise BadInput("expected a page_id with readings of a grid, and only with them.")
    if request.ratings is not None and not recipe.ratings:
        raise BadInput("this worklist asks for no ratings.")
    _check_confidence(worklist, request)
    if request.mark is not None:
        _check_mark(session, assignment, request.mark)


def _check_verdict(worklist: Worklist, request: ReadingRequest) -> None:
    known = {reason["code"] for reason in worklist.reasons}
    unknown = [reason for reason in request.reasons if reason not in known]
    if unknown:
        raise BadInput(f"expected reasons of {', '.join(sorted(known))}; got {', '.join(unknown)}.")
    if request.corrected_label is not None and request.corrected_label not in worklist.classes:
        raise BadInput(f"expected a class of {', '.join(worklist.classes)}; got {request.corrected_label!r}.")
    asks_class = not worklist.label_shown and worklist.kind is not WorklistKind.TURING
    if asks_class and request.verdict is Verdict.ACCEPT and request.corrected_label is None:
        raise BadInput("expected a class with an accept, since this worklist shows none; got none.")


def _check_confidence(worklist: Worklist, request: ReadingRequest) -> None:
    if worklist.kind is not WorklistKind.TURING:
        if request.confidence is not None:
            raise BadInput("a confidence is asked for in a Turing test only.")
        return
    if request.confidence is None:
        raise BadInput("expected a confidence of 1 (surely synthetic) to 6 (surely real).")
    expected = Verdict.ACCEPT if request.confidence >= REAL_FROM else Verdict.REJECT
    if request.verdict is not expected:
        raise BadInput(f"a confidence of {request.confidence} goes with {expected.value}, got {request.verdict.value}.")


def _check_mark(session: Session, assignment: Assignment, mark: Mark) -> None:
    image = session.get_one(Image, session.get_one(WorklistItem, assignment.item_id).image_id)
    if mark.x + (mark.width or 0) > image.width or mark.y + (mark.height or 0) > image.height:
        raise BadInput(f"expected a mark inside {image.width} x {image.height} pixels.")
