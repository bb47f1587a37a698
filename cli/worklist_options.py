"""The options of `rounds worklist create`, and the recipe they make: a preset first, then what was said."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from curation.reading.recipe import WorklistRecipe
from curation.worklists.recipe import EVIDENCE, should_deal_out

Command = TypeVar("Command", bound=Callable[..., Any])

EXCLUSION = ("min_sensitivity", "max_false_rejects", "min_repeat_agreement", "min_median_ms")
RULES = ("single", "majority", "unanimous", "adjudicated")
ORDERS = ("random", "batch", "flags", "priority")
MODALITIES = ("general", "mr", "ct", "xray", "ultrasound", "histology")
_SHARE = click.FloatRange(0, 1)

# No option has a default of its own: what is not said is the preset's, or the recipe's.
CANDIDATES = (
    click.option("--batch", "batches", type=int, multiple=True, help="Batch ids; without it, every screened batch."),
    click.option("--limit", type=click.IntRange(1), help="At most this many candidates."),
    click.option("--passed-only", is_flag=True, help="Leave out what screening flagged."),
    click.option("--again", is_flag=True, help="Also images that have an outcome already."),
)
READING = (
    click.option("--reader", "readers", multiple=True, help="Who may read; without it, every reader."),
    click.option("--readers-per-image", type=click.IntRange(1, 5), help="Blind to each other [1]."),
    click.option(
        "--allotted/--pooled",
        default=None,
        help="Deal candidates out to the named readers, or let whoever comes next take them [pooled].",
    ),
    click.option("--rule", type=click.Choice(RULES), help="How verdicts add up [single; of several majority]."),
    click.option("--order", type=click.Choice(ORDERS), help="Random for each reader, or one for all [random]."),
    click.option("--label-shown/--label-blind", default=None, help="Whether the class that was asked for is shown."),
    click.option("--grid/--no-grid", default=None, help="Pages of 12, 24 or 48, where labels show [grid]."),
    click.option("--grid-audit-share", type=_SHARE, help="Of images left unmarked in a grid, read singly too [0.1]."),
    click.option("--ratings/--no-ratings", default=None, help="Ratings of anatomy, typicality, quality [no]."),
    click.option("--vocabulary", help="Reasons to reject; `rounds vocabulary list` shows them [general]."),
    click.option("--modality", type=click.Choice(MODALITIES), help="Which window presets [general]."),
    click.option("--question", help="In place of the usual question."),
    click.option("--lease", "lease_s", type=click.IntRange(60, 86_400), help="Seconds an image is held [600]."),
)
CONTROLS = (
    click.option("--real-controls", type=click.IntRange(0), help="Real images mixed in blind [0]."),
    click.option("--defect-controls", type=click.IntRange(0), help="Planted defects mixed in blind [0]."),
    click.option("--repeat-share", type=click.FloatRange(0, 0.5), help="Of images, shown again unknowingly [0]."),
    click.option(
        "--gate-audit", "gate_audit_share", type=_SHARE, help="Of images that screening blocked, read too [0]."
    ),
    click.option("--practice", type=click.IntRange(0, 200), help="Images with feedback before the first one [0]."),
    click.option("--turing", is_flag=True, help="Ask real or synthetic, in six steps of confidence."),
    click.option("--margin", type=click.FloatRange(0.5, 1, True, True), help="AUC below which that counts as alike."),
    click.option("--min-sensitivity", type=_SHARE, help="Readers who reject fewer defects leave the evidence."),
    click.option("--max-false-rejects", type=_SHARE, help="As do those who reject more of the real images."),
    click.option("--min-repeat-agreement", type=_SHARE, help="Or read fewer of the repeats alike."),
    click.option("--min-median-ms", type=click.IntRange(0), help="Or are faster than this, in the median."),
    click.option("--seed", type=int, help="Which images and which order [0]."),
)


def recipe_options(command: Command) -> Command:
    """Give a command every option that a recipe has."""
    for option in reversed((*CANDIDATES, *READING, *CONTROLS)):
        command = option(command)
    return command


def recipe_from(
    name: str,
    evidence: bool,
    passed_only: bool,
    turing: bool,
    again: bool,
    allotted: bool | None = None,
    **options: Any,
) -> WorklistRecipe:
    """The recipe that the options make; raises BadInput for values no recipe takes.

    A study with more readers than read each image deals out its candidates, unless it was said that they are pooled.
    """
    values = (EVIDENCE if evidence else {}) | {key: value for key, value in options.items() if value not in (None, ())}
    exclusion = {key: values.pop(key) for key in EXCLUSION if key in values}
    if "rule" not in values and values.get("readers_per_image", 1) > 1:
        values["rule"] = "majority"
    if allotted is None:
        allotted = (
            evidence
            and not turing
            and should_deal_out(len(options.get("readers", ())), values.get("readers_per_image", 1))
        )
    values["shares"] = "allotted" if allotted else "pooled"
    values |= {"name": name, "again": again, "kind": "turing" if turing else "verdict", "exclusion": exclusion}
    values["include"] = ("pass",) if passed_only else ("pass", "flag")
    return WorklistRecipe.checked(**values)
