"""Count what a worklist can hold, and say what a recipe asks for that cannot be built."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from curation.errors import BadInput, RoundsError
from curation.reading.recipe import WorklistRecipe
from curation.requests import check_name
from curation.tables.images import Split
from curation.worklists.choose import choose_audits, choose_candidates
from curation.worklists.controls import Likeness, find_real_images
from curation.worklists.recipe import check_recipe


@dataclass(frozen=True, slots=True)
class Limits:
    """How many images of each purpose there are; each control and each practice image takes a real image of its own."""

    candidates: int
    controls: int  # real validation images that look like the candidates
    practice: int  # real training images that look like them
    audits: int  # images that screening blocked, but for near copies
    why_no_controls: str | None = None


def limits_of(session: Session, recipe: WorklistRecipe) -> Limits:
    """Count for the candidates that a recipe chooses, whatever else it asks for."""
    audits = len(choose_audits(session, recipe.model_copy(update={"gate_audit_share": 1.0})))
    try:
        candidates = choose_candidates(session, recipe)
    except BadInput as error:
        return Limits(0, 0, 0, audits, str(error))
    try:
        like = Likeness.of(candidates)
    except BadInput as error:
        return Limits(len(candidates), 0, 0, audits, str(error))
    controls, practice = (
        len(find_real_images(session, like, split, recipe.seed)) for split in (Split.VALIDATION, Split.TRAIN)
    )
    return Limits(len(candidates), controls, practice, audits)


def find_fault(session: Session, recipe: WorklistRecipe, limits: Limits) -> str | None:
    """Say why a recipe cannot be built: it contradicts itself, or asks for more images than there are."""
    try:
        check_name(recipe.name, "worklist")
        check_recipe(session, recipe)
    except RoundsError as error:
        return str(error)
    controls = recipe.real_controls + recipe.defect_controls
    if not limits.candidates or (limits.why_no_controls and (controls or recipe.practice)):
        return limits.why_no_controls
    if controls > limits.controls:
        return (
            f"expected {limits.controls} real controls and planted defects together at most, as many as there are real "
            f"validation images like the candidates; got {controls}. Ask for fewer, or import more."
        )
    if recipe.practice > limits.practice:
        return (
            f"expected {limits.practice} practice images at most, as many as there are real training images like the "
            f"candidates; got {recipe.practice}. Ask for fewer, or import more."
        )
    return None
