"""Check a worklist recipe for contradictions; the preset for a reader study."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, NotFound
from curation.reading.recipe import WorklistRecipe
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


def should_deal_out(readers: int, readers_per_image: int) -> bool:
    """Whether a study should deal out its candidates: with more readers than read each image, some would get few."""
    return readers > readers_per_image


def check_recipe(session: Session, recipe: WorklistRecipe) -> None:
    """Raise BadInput for a recipe that contradicts itself, NotFound for unknown readers."""
    fault = _rule_fault(recipe) or _shares_fault(recipe) or _turing_fault(recipe) or _exclusion_fault(recipe)
    if fault:
        raise BadInput(fault)
    _check_readers(session, recipe)


def _rule_fault(recipe: WorklistRecipe) -> str | None:
    if (recipe.rule == "single") != (recipe.readers_per_image == 1):
        return "the rule `single` goes with one reader per image, every other with two or more."
    return None


def _shares_fault(recipe: WorklistRecipe) -> str | None:
    if recipe.shares == "pooled":
        return None
    if recipe.kind == "turing":
        return "in a Turing test everybody reads every image; there are no shares to deal out."
    if not recipe.readers:
        return "shares are dealt out to readers by name: name them, or ask for no shares."
    return None


def _turing_fault(recipe: WorklistRecipe) -> str | None:
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


def _exclusion_fault(recipe: WorklistRecipe) -> str | None:
    needs = (
        ("min_sensitivity", recipe.defect_controls, "planted defects"),
        ("max_false_rejects", recipe.real_controls and recipe.kind != "turing", "real controls outside a Turing test"),
        ("min_repeat_agreement", recipe.repeat_share, "hidden repeats"),
    )
    for name, has_any, what in needs:
        if getattr(recipe.exclusion, name) is not None and not has_any:
            return f"the exclusion rule {name} is measured on {what}, and this worklist has none. Leave the rule out."
    return None


def _check_readers(session: Session, recipe: WorklistRecipe) -> None:
    if not recipe.readers:
        return
    active = set(session.scalars(select(Reader.name).where(Reader.name.in_(recipe.readers), Reader.active)))
    missing = sorted(set(recipe.readers) - active)
    if missing:
        raise NotFound(f"no active reader named {', '.join(missing)}. `rounds reader list` shows those there are.")
    if len(active) < recipe.readers_per_image:
        raise BadInput(
            f"expected at least {recipe.readers_per_image} readers, as many as read each image; got {len(active)}. "
            "Name more, or ask for fewer readings of each image."
        )
