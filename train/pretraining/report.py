"""The report of a pretraining: the probe before and after, in JSON, and a plot of the losses."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB, Seen
from curation.snapshots.folder import SnapshotFolder
from train.backbones.names import find_added, portable_name
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.probe import DECIDING, ProbeComparison

REPORT, PLOT = "pretraining.json", "losses.png"


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One fit: its name, its folder, its losses, and the probe of what it made (None without validation)."""

    name: str
    directory: Path
    losses: list[dict[str, float]]
    comparison: ProbeComparison | None

    @property
    def score(self) -> float:
        """The deciding measure after the fit; 0 where it was not measured."""
        return (self.comparison.after[DECIDING].value or 0.0) if self.comparison else 0.0


def write_report(
    out: Path,
    folder: SnapshotFolder,
    recipe: ContinuedRecipe,
    results: list[VariantResult],
    best: VariantResult,
    seen: Seen,
    why_no_probe: str | None,
) -> dict[str, Any]:
    """Write `pretraining.json` and `losses.png` into `out`; returns what the file holds."""
    report = {
        "name": recipe.name,
        "objective": recipe.objective.kind,
        "backbone": portable_name(recipe.backbone, find_added(recipe.backbone, folder.path) or Path(recipe.backbone)),
        "snapshot": {"name": folder.name, "digest": folder.digest},
        "chosen": best.name,
        "variants": {result.name: result.score for result in results} if best.comparison else {},
        "probe": best.comparison.as_json() if best.comparison else {"why_none": why_no_probe},
        "word": best.comparison.word if best.comparison else "not measured",
        "losses": {result.name: result.losses for result in results},
        "unknown_provenance": list(seen.unknown),
        "public_web": list(seen.public_web),
        "notice": folder.notice,
    }
    (out / REPORT).write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    plot_losses(results, f"{recipe.objective.kind}: {report['word']}").savefig(out / PLOT, dpi=120)
    return report


def read_report(out: Path) -> dict[str, Any]:
    """Read what `write_report` wrote; empty for a backbone that was pretrained from nothing."""
    if not (out / REPORT).is_file():
        return {}
    report: dict[str, Any] = json.loads((out / REPORT).read_text())
    return report


def plot_losses(results: list[VariantResult], title: str) -> Figure:
    """Plot the loss by step of every fit: line on fitted images, dashes on those kept from the fit."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, result in enumerate(results):
        steps = [point["step"] for point in result.losses]
        colour = f"C{number}"
        prefix = f"{result.name}, " if len(results) > 1 else ""
        axes.plot(steps, [point["train"] for point in result.losses], color=colour, label=f"{prefix}fitted")
        held_out = [point["held_out"] for point in result.losses]
        axes.plot(steps, held_out, color=colour, linestyle="--", label=f"{prefix}kept from the fit")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_title(title)
    axes.legend()
    return figure


def describe_report(report: dict[str, Any]) -> dict[str, str]:
    """Say the probe of a report in lines for a person."""
    if not report:
        return {}
    probe = report["probe"]
    if "why_none" in probe:
        return {"probe": f"not measured: {probe['why_none']}"}
    lines = {
        name.replace("_", " "): f"{_format(probe['before'][name])} before, {_format(probe['after'][name])} after, "
        f"difference {_format(probe['difference'][name], signed=True)}"
        for name in probe["difference"]
    }
    units = f"{probe['n_units']} subjects with {probe['n_images']} images"
    if probe["resampled"] != "subject":
        units = f"{probe['n_images']} images: subjects are unknown, so they are too narrow"
    lines["intervals"] = f"95 % over {units}; of the difference {probe['confidence']:.1%}"
    if probe["num_variants"] > 1:
        scores = ", ".join(f"{name} {score:.3f}" for name, score in report["variants"].items())
        lines["chosen on validation"] = f"{report['chosen']} of {scores}; the interval is wider for it"
    if report.get("public_web"):
        lines[PUBLIC_WEB] = f"{', '.join(report['public_web'])} saw web images; {OVERLAP}"
    return lines | {"frozen probe": report["word"]}


def _format(estimate: dict[str, float], signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"
