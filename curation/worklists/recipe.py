"""What a worklist is asked to hold and how it is to be read, and which wishes contradict each other."""

from typing import Any, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, NotFound
from curation.requests import FrozenRequest
from curation.tables.people import Reader

# A reader study: blind to the class, two readers, controls, repeats and practice.
EVIDENCE: dict[str, Any] = {
    "label_shown": False,
    "readers_per_image": 2,
    "rule": "unanimous",
    "order": "random",
    "grid": False,
    "real_controls": 50,
    "defect_controls": 50,
    "repeat_share": 0.1,
    "practice": 20,
}


class ExclusionRule(FrozenRequest):
    """When a reader's readings leave the evidence; fixed with the worklist, before anyone reads."""

    min_sensitivity: float | None = Field(default=None, ge=0, le=1, description="share of planted defects rejected")
    max_false_rejects: float | None = Field(default=None, ge=0, le=1, description="share of real images rejected")
    min_repeat_agreement: float | None = Field(default=None, ge=0, le=1, description="share of repeats read alike")
    min_median_ms: int | None = Field(default=None, ge=0, description="median time per image, idle time left out")


class WorklistRecipe(FrozenRequest):
    """What a worklist holds and how it is read."""

    name: str = Field(min_length=1, max_length=100)
    kind: Literal["verdict", "turing"] = "verdict"
    batches: tuple[int, ...] = Field(default=(), description="batch ids; none named means every screened batch")
    include: tuple[Literal["pass", "flag"], ...] = ("pass", "flag")
    limit: int | None = Field(default=None, gt=0, description="at most this many candidates, chosen by the seed")
    again: bool = Field(default=False, description="take images that have an outcome already as well")
    readers: tuple[str, ...] = Field(default=(), description="names of those who may read; none means every reader")
    readers_per_image: int = Field(default=1, ge=1, le=5)
    shares: Literal["pooled", "allotted"] = Field(
        default="pooled", description="allotted deals candidates out to readers"
    )
    rule: Literal["single", "majority", "unanimous", "adjudicated"] = "single"
    order: Literal["random", "batch", "flags", "priority"] = "random"
    label_shown: bool = True
    grid: bool = Field(default=True, description="readers may read pages of 12, 24 or 48; only where labels show")
    grid_audit_share: float = Field(default=0.1, ge=0, le=1, description="of images left unmarked in a grid")
    ratings: bool = Field(default=False, description="offer ratings of anatomy, typicality and quality, 1 to 5")
    real_controls: int = Field(default=0, ge=0)
    defect_controls: int = Field(default=0, ge=0, description="images with a planted defect")
    repeat_share: float = Field(default=0.0, ge=0, le=0.5, description="of images, shown once more unknowingly")
    gate_audit_share: float = Field(
        default=0.0, ge=0, le=1, description="of images that screening blocked, never for privacy, read as an audit"
    )
    practice: int = Field(default=0, ge=0, le=200, description="images with feedback before a reader starts")
    modality: Literal["general", "mr", "ct", "xray", "ultrasound", "histology"] = "general"
    window: tuple[float, float] | None = Field(
        default=None, description="centre and width in stored values; settled when the worklist is made"
    )
    lease_s: int = Field(default=600, ge=60, le=86_400)
    margin: float | None = Field(default=None, gt=0.5, lt=1, description="a Turing test's AUC for indistinguishable")
    exclusion: ExclusionRule = ExclusionRule()
    vocabulary: str = "general"
    question: str | None = Field(default=None, max_length=500)
    seed: int = 0


def deals_out(readers: int, readers_per_image: int) -> bool:
    """Whether a study should deal out its candidates: more readers than read each image, who would else run dry."""
    return readers > readers_per_image


def check_recipe(session: Session, recipe: WorklistRecipe) -> None:
    """Raise BadInput for wishes that contradict each other, NotFound for readers that are not there."""
    wrong = _rule(recipe) or _shares(recipe) or _turing(recipe) or _exclusion(recipe)
    if wrong:
        raise BadInput(wrong)
    _readers(session, recipe)


def _rule(recipe: WorklistRecipe) -> str | None:
    if (recipe.rule == "single") != (recipe.readers_per_image == 1):
        return "the rule `single` goes with one reader per image, every other with two or more."
    return None


def _shares(recipe: WorklistRecipe) -> str | None:
    if recipe.shares == "pooled":
        return None
    if recipe.kind == "turing":
        return "in a Turing test everybody reads every image; there are no shares to deal out."
    if not recipe.readers:
        return "shares are dealt out to readers by name: name them, or let whoever comes next take the next image."
    return None


def _turing(recipe: WorklistRecipe) -> str | None:
    if recipe.kind != "turing":
        return None if recipe.margin is None else "a margin belongs to a Turing test; leave it out, or ask for one."
    if recipe.defect_controls:
        return "a Turing test asks real or synthetic: planted defects are neither. Ask for none."
    if not recipe.real_controls:
        return "a Turing test needs real images to tell from the synthetic ones: ask for real controls."
    if recipe.gate_audit_share:
        return "an audit of what screening blocked asks accept or reject, which a Turing test does not. Ask for none."
    if recipe.practice:
        return "practice shows planted defects, which a Turing test has not: ask for none."
    return None


def _exclusion(recipe: WorklistRecipe) -> str | None:
    needs = (
        ("min_sensitivity", recipe.defect_controls, "planted defects"),
        ("max_false_rejects", recipe.real_controls and recipe.kind != "turing", "real controls outside a Turing test"),
        ("min_repeat_agreement", recipe.repeat_share, "hidden repeats"),
    )
    for name, there, what in needs:
        if getattr(recipe.exclusion, name) is not None and not there:
            return f"the exclusion rule {name} is measured on {what}, and this worklist has none."
    return None


def _readers(session: Session, recipe: WorklistRecipe) -> None:
    if not recipe.readers:
        return
    found = set(session.scalars(select(Reader.name).where(Reader.name.in_(recipe.readers), Reader.active)))
    missing = sorted(set(recipe.readers) - found)
    if missing:
        raise NotFound(f"no active reader named {', '.join(missing)}. `rounds reader list` shows those there are.")
    if len(found) < recipe.readers_per_image:
        raise BadInput(
            f"expected at least {recipe.readers_per_image} readers, as many as read each image; got {len(found)}. "
            "Name more, or ask for fewer readings of each image."
        )
