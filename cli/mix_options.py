"""Options that say which images a snapshot takes, and the recipe they make."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cli.numbers import IMAGES, SEED, Real
from cli.paths import LocalPath
from cli.terminal import with_options
from curation.errors import BadInput
from curation.snapshots.mix import MixRecipe

ORIGINS = ("real", "synthetic")
LIMIT = re.compile(r"(?P<check>[\w-]+)\s*(?P<sign><=|>=)\s*(?P<value>\S+)")
mix_options = with_options(
    click.option(
        "--recipe",
        "recipe_file",
        type=LocalPath(exists=True, dir_okay=False, path_type=Path),
        help="A JSON recipe, or a snapshot.json. Other options override it.",
    ),
    click.option(
        "--synthetic",
        type=click.Choice(["approved", "raw", "random", "none"]),
        help="Which synthetic images.  [default: approved]",
    ),
    click.option(
        "--extra-real",
        type=click.Choice(["none", "duplicated", "reserve"]),
        help="Add as many real images as were approved.  [default: none]",
    ),
    click.option(
        "--max-ratio", type=Real(0, 1_000_000, min_open=True), help="Synthetic images per real training image, at most."
    ),
    click.option("--real-per-class", type=IMAGES, help="Keep this many real training images per class."),
    click.option("--worklist", "worklists", multiple=True, help="Use outcomes of this worklist. Default: of all."),
    click.option("--class", "classes", multiple=True, help="Take images of this class. Default: of all."),
    click.option(
        "--outcomes",
        type=click.Choice(["all", "adjudicated", "unadjudicated"]),
        help="Which outcomes count.  [default: all]",
    ),
    click.option("--no-grid", is_flag=True, help="Ignore outcomes that rest on a verdict for a whole page."),
    click.option("--no-proxy", is_flag=True, help="Ignore outcomes that rest on proxy models alone."),
    click.option(
        "--min-agreement",
        type=Real(0, 1, min_open=True),
        help="The least share of readings that agree with the outcome, where there are two or more.",
    ),
    click.option(
        "--admit",
        type=click.Choice(["any", "flag", "pass"]),
        help="Screening results to admit. Images blocked for privacy never enter.  [default: any]",
    ),
    click.option("--check", "checks", multiple=True, help='A limit on a screening check: "sharpness>=0.2".'),
    click.option("--max-per-generator", type=IMAGES, help="Synthetic images of one generator, at most."),
    click.option(
        "--max-generator-share",
        type=Real(0, 1, min_open=True),
        help="The largest share of synthetic images from one generator.",
    ),
    click.option(
        "--balance",
        type=click.Choice(["none", "cap", "weights"]),
        help="Take equally many images of every class, or give classes equal weight.  [default: none]",
    ),
    click.option(
        "--weight", "weights", multiple=True, help="The weight of an origin or a class: synthetic=0.5, CLASS=2."
    ),
    click.option("--normalise-weights", is_flag=True, help="Scale weights to a mean of 1 in training."),
    click.option("--asked-labels", is_flag=True, help="Keep the requested class where readers corrected it."),
    click.option(
        "--allow-unknown-provenance", is_flag=True, help="Take images of generators without a list of what they saw."
    ),
    click.option("--seed", type=SEED, help="Seed for the choice of images.  [default: 0]"),
)


def recipe_of(
    recipe_file: Path | None,
    admit: str | None,
    checks: Sequence[str],
    weights: Sequence[str],
    normalise_weights: bool,
    no_grid: bool,
    no_proxy: bool,
    asked_labels: bool,
    **plain: Any,
) -> MixRecipe:
    """The recipe of a file, with what is given beside it; raises BadInput that names what is wrong."""
    values: dict[str, Any] = _read(recipe_file) if recipe_file else {}
    values |= {name: value for name, value in plain.items() if value not in (None, (), False)}
    flags = {"allow_grid": no_grid, "allow_proxy": no_proxy, "corrected_labels": asked_labels}
    values |= {name: False for name, off in flags.items() if off}
    screening: dict[str, Any] = {"admit": admit} if admit else {}
    screening |= {"checks": [_limit(text) for text in checks]} if checks else {}
    weighing: dict[str, Any] = _weights(weights) | ({"normalise": True} if normalise_weights else {})
    for name, entries in (("screening", screening), ("weights", weighing)):
        if entries:
            values[name] = values.get(name, {}) | entries
    return MixRecipe.checked(**values)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected a recipe as JSON; {error}.") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected a recipe as a JSON object, got {type(content).__name__}.")
    return dict(content.get("recipe", content))  # a whole snapshot.json holds its recipe under that name


def _limit(text: str) -> dict[str, Any]:
    match = LIMIT.fullmatch(text.strip())
    if match is None:
        raise BadInput(f'expected a limit like "sharpness>=0.2" or "noise<=3", got {text!r}.')
    return {"check": match["check"], "at_least" if match["sign"] == ">=" else "at_most": match["value"]}


def _weights(texts: Sequence[str]) -> dict[str, Any]:
    weights: dict[str, dict[str, str]] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not name:
            raise BadInput(f"expected a weight like synthetic=0.5 or CLASS=2, got {text!r}.")
        weights.setdefault("origins" if name in ORIGINS else "classes", {})[name] = value
    return weights
