"""Write the report of a study: a table, a plot, and one sentence that claims no more than it can."""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from curation.errors import NotFound
from curation.provenance.public_web import OVERLAP
from train.study.claim import reasons_against_a_claim
from train.study.plan import ReportFacts

TITLES = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    "calibration_error": "calibration error",
    "brier": "Brier score",
}
ARM_TITLES = {
    "real_only": "real images only",
    "plus_raw": "+ every synthetic image drawn, but for near copies of training images",
    "plus_approved": "+ approved synthetic images",
    "plus_random": "+ as many synthetic images, drawn at random",
    "plus_duplicated_real": "+ as many real images, duplicated",
    "plus_reserve_real": "+ real images of the reserve",
}
DARK, PALE = "#1f4e79", "#9db8d2"


def write_report(study_dir: Path, facts: ReportFacts) -> Path:
    """Write `report.md` and `report.png` into a finished study's folder; returns the Markdown's path.

    Raises NotFound when the study has no result yet.
    """
    path = study_dir / "result.json"
    if not path.is_file():
        raise NotFound(f"{study_dir} has no result.json. Run `rounds study` to its end first.")
    result = json.loads(path.read_text())
    plot_differences(result).savefig(study_dir / "report.png", dpi=120)
    report = study_dir / "report.md"
    report.write_text("\n\n".join(part for part in _sections(result, facts) if part) + "\n")
    return report


def _sections(result: dict[str, Any], facts: ReportFacts) -> list[str]:
    plan = result["plan"]
    return [
        f"# Study {plan['name']}",
        f"> {result['notice']}" if result["notice"] else "",
        f"**{state_conclusion(result, facts)}**",
        format_table(result),
        format_against(result),
        describe_openings(result),
        describe_near_copies(result),
        f"![Differences to {plan['reference']} with intervals](report.png)",
        "## What was compared",
        _describe_method(result),
        "## Who read the images",
        _describe_readings(facts),
        "## Provenance",
        _describe_provenance(result, facts),
    ]


def state_conclusion(result: dict[str, Any], facts: ReportFacts) -> str:
    """State in one sentence what was measured of the primary arm, and every reason not to claim a gain."""
    plan = result["plan"]
    arm = result["arms"][plan["primary"]]
    value = arm["metrics"][plan["metric"]]["value"]
    reference = result["arms"][plan["reference"]]["metrics"][plan["metric"]]["value"]
    measured = (
        f"{plan['primary']} reached a mean {TITLES[plan['metric']]} of {value:.3f} and {plan['reference']}"
        f" {reference:.3f} on {result['n_units']} {plan['split']} {result['resampled']}s (difference"
        f" {_format_interval(arm['differences'][plan['metric']], signed=True)}, {plan['confidence']:.0%} interval,"
        f" {len(plan['seeds'])} replicates)"
    )
    reasons = reasons_against_a_claim(result, facts)
    if reasons:
        return f"No gain is claimed: {measured}, but {'; '.join(reasons)}.{_say_of_effect(result)}"
    overlap = f" The weights saw public web images: {OVERLAP}." if result.get("public_web") else ""
    limits = "at equal optimiser steps; it says nothing of other data, sites or models"
    return f"In this study {measured}, {limits}.{overlap}"


def _say_of_effect(result: dict[str, Any]) -> str:
    """Say whether the smallest effect of interest is excluded, where the plan names one."""
    plan = result["plan"]
    effect = plan.get("smallest_effect")
    if effect is None:
        return ""
    high = result["arms"][plan["primary"]]["differences"][plan["metric"]]["high"]
    return f" A gain of {effect:g} or more is {'excluded' if high < effect else 'not excluded'}."


def format_against(result: dict[str, Any]) -> str:
    """Format the primary arm less each other arm that a gain must beat."""
    plan, against = result["plan"], result.get("against") or {}
    lines = [f"- minus `{arm}`: {_format_interval(interval, signed=True)}" for arm, interval in against.items()]
    if not lines:
        return ""
    return f"**{TITLES[plan['metric']]} of `{plan['primary']}`** (a gain must be above 0 here too):\n\n" + "\n".join(
        lines
    )


def describe_openings(result: dict[str, Any]) -> str:
    """Say how often the test split had been opened before."""
    if result["plan"]["split"] != "test" or "earlier_openings" not in result:
        return ""
    earlier = result["earlier_openings"]
    times = {0: "for the first time", 1: "after one opening before it"}.get(
        earlier, f"after {earlier} openings before it"
    )
    return f"This study reads the project's test split {times}."


def format_table(result: dict[str, Any]) -> str:
    """Format a Markdown table: a line per arm, with intervals, and the difference to the reference arm."""
    plan = result["plan"]
    head = ["arm", "real", "synthetic", *_figure_titles(plan)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name in plan["arms"]:
        arm = result["arms"][name]
        counts = [str(arm["n_images"].get(origin, 0)) for origin in ("real", "synthetic")]
        lines.append([name, *counts, *_figures(arm, plan["metric"])])
    return _as_markdown(lines)


def describe_near_copies(result: dict[str, Any]) -> str:
    """Say how many held-out images look like training images, and give every figure without them."""
    plan, count = result["plan"], result.get("near_copies")
    if count is None:
        return f"Whether {plan['split']} images look like training images of other subjects was not searched."
    n_images, others = result["n_images"], result["without_near_copies"]
    how_many = f"{count} of the {n_images} {plan['split']} images look like a training image of another subject"
    if not others:
        return f"{how_many}."
    if others["why_none"]:
        return f"**{how_many}.** Without them nothing can be measured: {others['why_none']}."
    head = ["arm", *_figure_titles(plan)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [[name, *_figures(others["arms"][name], plan["metric"])] for name in plan["arms"]]
    without = f"Without them, on the other {others['n_images']} images ({others['n_units']} {result['resampled']}s):"
    return f"**{how_many}.** The figures above count them. {without}\n\n{_as_markdown(lines)}"


def _figure_titles(plan: dict[str, Any]) -> list[str]:
    return [*TITLES.values(), f"{TITLES[plan['metric']]} minus {plan['reference']}"]


def _figures(arm: dict[str, Any], metric: str) -> list[str]:
    difference = _format_interval(arm["differences"][metric], signed=True) if arm["differences"] else "reference"
    return [*(_format_interval(arm["metrics"][name]) for name in TITLES), difference]


def _as_markdown(lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def plot_differences(result: dict[str, Any]) -> Figure:
    """Plot the difference of each arm to the reference: interval, mean, and each seed as a pale dot."""
    plan = result["plan"]
    metric = plan["metric"]
    reference = result["arms"][plan["reference"]]["per_seed"][metric]
    arms = [(name, result["arms"][name]) for name in plan["arms"] if name != plan["reference"]]
    figure = Figure(figsize=(8, 1.4 + 0.55 * len(arms)), layout="constrained")
    axes = figure.subplots()
    for position, (_, arm) in enumerate(reversed(arms)):
        interval = arm["differences"][metric]
        seeds = [ours - theirs for ours, theirs in zip(arm["per_seed"][metric], reference, strict=True)]
        axes.plot([interval["low"], interval["high"]], [position, position], color=DARK, linewidth=2)
        axes.plot(seeds, [position] * len(seeds), "o", color=PALE, markersize=5)
        axes.plot(interval["value"], position, "D", color=DARK, markersize=6)
    axes.axvline(0, color="0.4", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(arms)), [name for name, _ in reversed(arms)])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.set_xlabel(
        f"{TITLES[metric]} minus that of {plan['reference']}, {plan['confidence']:.0%} interval over"
        f" {result['resampled']}s and seeds (dots: seeds)"
    )
    if result["notice"]:
        axes.set_title(result["notice"], fontsize=8)
    return figure


def _format_interval(interval: dict[str, float], signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{interval['value']:{form}} ({interval['low']:{form}} to {interval['high']:{form}})"


def _describe_preprocessing(result: dict[str, Any]) -> str:
    """Say where the backbone is given its images otherwise than the reference gives them."""
    note = result["backbone"].get("preprocessing")
    return f" Preprocessing: {note}." if note else ""


def _describe_method(result: dict[str, Any]) -> str:
    plan, adaptation = result["plan"], result["plan"]["adaptation"]
    arms = "\n".join(f"- `{name}`: {ARM_TITLES.get(name, 'as named by who built it')}" for name in plan["arms"])
    level = (
        "Subjects are unknown: **intervals are image-level** and too narrow where a subject has several images."
        if result["resampled"] != "subject"
        else "Intervals resample whole subjects."
    )
    return (
        f"{arms}\n\nEvery arm: {adaptation['adaptation']} of `{result['backbone']['name']}`, {adaptation['steps']}"
        f" optimiser steps of {adaptation['batch_size']} images, seeds {', '.join(map(str, plan['seeds']))}; the"
        f" weights of the best validation loss; read on the same {result['n_images']} real {plan['split']} images."
        " AUROC is one class against the rest, averaged over classes; calibration error over 15 bins of the top label."
        f"{_describe_preprocessing(result)}"
        f" {level} Intervals add the variance between replicates to the bootstrap variance ({plan['n_bootstrap']}"
        f" resamples) with Satterthwaite's degrees of freedom. {_describe_replicates(plan)} They do not cover"
        f" another fit of the generator. The sentence above is about `{plan['primary']}`, named before; the other"
        " differences are not adjusted for being several."
    )


def _describe_replicates(plan: dict[str, Any]) -> str:
    if plan.get("redraw", "none") == "halves":
        return (
            "Two replicates that follow each other train on the two halves of every arm's subjects and synthetic"
            " images, the next two on another split: the figures are those of half of the images, and the intervals"
            " cover the choice of training subjects and of synthetic images."
        )
    return (
        "Replicates differ in order and first weights alone: the intervals do not cover the choice of training"
        " subjects, nor of synthetic images."
    )


def _describe_readings(facts: ReportFacts) -> str:
    readers = f" Readers: {', '.join(facts.readers)}." if facts.readers else ""
    if facts.human_readings == 0 and facts.proxy_readings == 0:
        return "Not yet read: no reading stands behind any image of this study."
    proxies = " Proxy readers are models; no claim rests on them." if facts.proxy_readings else ""
    pages = f" {facts.grid_readings} were given for whole pages; no claim rests on them." if facts.grid_readings else ""
    read = f"{facts.human_readings} readings by people, {facts.proxy_readings} by proxy readers."
    return f"{read}{pages}{proxies}{readers}"


def _describe_provenance(result: dict[str, Any], facts: ReportFacts) -> str:
    arms = ((name, result["arms"][name]) for name in result["plan"]["arms"])
    lines = [f"- plan `{result['plan_digest'][:12]}`, backbone `{result['backbone']['digest'][:12]}`"]
    lines += [f"- `{name}`: snapshot {arm['snapshot']} `{arm['snapshot_digest'][:12]}`" for name, arm in arms]
    if result.get("public_web"):
        lines.append(f"- **Public web:** {', '.join(result['public_web'])} saw web images; {OVERLAP}")
    if result["unknown_provenance"]:
        lines.append(f"- **Unknown provenance:** {', '.join(result['unknown_provenance'])}")
    lines += [f"- **{line}**: an arm or the backbone descends from that subject" for line in result.get("affected", ())]
    if facts.made_by:
        lines.append(f"- made by `{facts.made_by}`" + (f" on {facts.date}" if facts.date else ""))
    return "\n".join(lines)
