"""Options of `rounds worklist create`, and the recipe they make."""

from typing import Any

import click

from cli.numbers import IMAGES, ROW_ID, SEED, SHARE, Real
from cli.terminal import with_options
from curation.reading.recipe import WorklistRecipe
from curation.worklists.recipe import EVIDENCE, should_deal_out

EXCLUSION = ("min_sensitivity", "max_false_rejects", "min_repeat_agreement", "min_median_ms")
RULES = ("single", "majority", "unanimous", "adjudicated")
ORDERS = ("random", "batch", "flags", "priority")
MODALITIES = ("general", "mr", "ct", "xray", "ultrasound", "histology")

# No option has a default of its own: an option that is not set takes its value from the preset, or from the recipe.
recipe_options = with_options(
    click.option(
        "--batch",
        "batches",
        type=ROW_ID,
        multiple=True,
        help="Take candidates of this batch. Default: of every screened batch.",
    ),
    click.option("--limit", type=IMAGES, help="At most this many candidates."),
    click.option("--passed-only", is_flag=True, help="Leave out what screening flagged."),
    click.option("--again", is_flag=True, help="Also take images that have an outcome already."),
    click.option(
        "--reader", "readers", multiple=True, help="Who may read. Repeat it for several. Default: every reader."
    ),
    click.option(
        "--readers-per-image",
        type=click.IntRange(1, 5),
        help="How many readers read each image, blind to each other [1].",
    ),
    click.option(
        "--allotted/--pooled",
        default=None,
        help="Give each named reader a fixed share of the candidates, or let the next reader take the next image "
        "[pooled].",
    ),
    click.option(
        "--rule",
        type=click.Choice(RULES),
        help="How verdicts become an outcome [single; majority for several readers].",
    ),
    click.option(
        "--order",
        type=click.Choice(ORDERS),
        help="Order of the images: random for each reader, or the same for all [random].",
    ),
    click.option("--label-shown/--label-blind", default=None, help="Show the requested class, or hide it."),
    click.option(
        "--grid/--no-grid", default=None, help="Allow pages of 12, 24 or 48 images, where the class is shown [grid]."
    ),
    click.option(
        "--grid-audit-share",
        type=SHARE,
        help="Share of images left unmarked in a grid that are also read singly [0.1].",
    ),
    click.option(
        "--ratings/--no-ratings", default=None, help="Ask for ratings of anatomy, typicality and quality [no]."
    ),
    click.option("--vocabulary", help="Reasons to reject; `rounds vocabulary list` shows them [general]."),
    click.option(
        "--modality", type=click.Choice(MODALITIES), help="The modality, which decides the window presets [general]."
    ),
    click.option("--question", help="A question to show instead of the usual one."),
    click.option(
        "--lease",
        "lease_s",
        type=click.IntRange(60, 86_400),
        help="Seconds for which an image stays assigned to a reader [600].",
    ),
    click.option(
        "--real-controls", type=click.IntRange(0, 100_000), help="How many real images are mixed in blind [0]."
    ),
    click.option(
        "--defect-controls",
        type=click.IntRange(0, 100_000),
        help="How many images with planted defects are mixed in blind [0].",
    ),
    click.option("--repeat-share", type=Real(0, 0.5), help="Share of images that are shown twice, unannounced [0]."),
    click.option(
        "--gate-audit",
        "gate_audit_share",
        type=SHARE,
        help="Share of images blocked by screening that are read too [0].",
    ),
    click.option(
        "--practice", type=click.IntRange(0, 200), help="How many practice images with feedback come first [0]."
    ),
    click.option(
        "--turing", is_flag=True, help="Ask whether each image is real or synthetic, in six steps of confidence."
    ),
    click.option(
        "--margin",
        type=Real(0.5, 1, True, True),
        help="With --turing: the AUC below which real and synthetic count as alike.",
    ),
    click.option("--min-sensitivity", type=SHARE, help="Exclude readers who reject a smaller share of the defects."),
    click.option(
        "--max-false-rejects", type=SHARE, help="Exclude readers who reject a larger share of the real images."
    ),
    click.option(
        "--min-repeat-agreement", type=SHARE, help="Exclude readers who read a smaller share of the repeats alike."
    ),
    click.option(
        "--min-median-ms",
        type=click.IntRange(0, 3_600_000),
        help="Exclude readers whose median time for an image is shorter, in milliseconds.",
    ),
    click.option("--seed", type=SEED, help="Seed for the choice and the order of images [0]."),
)


def recipe_from(
    name: str, evidence: bool, passed_only: bool, turing: bool, allotted: bool | None = None, **options: Any
) -> WorklistRecipe:
    """The recipe that the options make; raises BadInput for values no recipe takes.

    A study with more readers than read each image deals out its candidates, unless --pooled is set.
    """
    values = (EVIDENCE if evidence else {}) | {key: value for key, value in options.items() if value not in (None, ())}
    exclusion = {key: values.pop(key) for key in EXCLUSION if key in values}
    if "rule" not in values and values.get("readers_per_image", 1) > 1:
        values["rule"] = "majority"
    if allotted is None:
        deals_out = should_deal_out(len(options.get("readers", ())), values.get("readers_per_image", 1))
        allotted = evidence and not turing and deals_out
    values["shares"] = "allotted" if allotted else "pooled"
    values |= {"name": name, "kind": "turing" if turing else "verdict", "exclusion": exclusion}
    values["include"] = ("pass",) if passed_only else ("pass", "flag")
    return WorklistRecipe.checked(**values)
