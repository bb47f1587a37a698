"""The report of a pretraining: the probe before and after, in JSON, and a plot of the losses."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB, Seen
from curation.snapshots.folder import SnapshotFolder
from train.backbones.names import backbone_location, portable_name
from train.pretraining.probe import DECIDING, ProbeComparison

REPORT, PLOT = "pretraining.json", "losses.png"


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One fit: its name, its folder, its losses, and the probe of what it made (None without one)."""

    name: str
    directory: Path
    losses: list[dict[str, float]]
    comparison: ProbeComparison | None

    @property
    def score(self) -> float:
        """The deciding measure after the fit; 0 where it was not measured."""
        return (self.comparison.after[DECIDING].value or 0.0) if self.comparison else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a pretraining says of itself; `best` is the fit whose weights are kept."""

    name: str
    objective: str
    backbone: str | None  # None: random weights
    results: list[VariantResult]
    best: VariantResult
    why_no_probe: str | None

    @property
    def word(self) -> str:
        """The word that the probe allows."""
        return self.best.comparison.word if self.best.comparison else "not measured"

    def findings(self) -> dict[str, Any]:
        """What the card says too: the probe, its word, and what was chosen among what."""
        comparison = self.best.comparison
        return {
            "chosen": self.best.name,
            "variants": {result.name: result.score for result in self.results} if comparison else {},
            "probe": comparison.as_json() if comparison else {"why_none": self.why_no_probe},
            "word": self.word,
        }

    def write(self, out: Path, folder: SnapshotFolder, seen: Seen) -> None:
        """Write `pretraining.json` and `losses.png` into `out`."""
        content = {
            "name": self.name,
            "objective": self.objective,
            "backbone": self._portable_name(folder),
            "snapshot": {"name": folder.name, "digest": folder.digest},
            **self.findings(),
            "losses": {result.name: result.losses for result in self.results},
            "unknown_provenance": list(seen.unknown),
            "public_web": list(seen.public_web),
            "notice": folder.notice,
        }
        (out / REPORT).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        plot_losses(self.results, f"{self.objective}: {self.word}").savefig(out / PLOT, dpi=120)

    def _portable_name(self, folder: SnapshotFolder) -> str | None:
        if self.backbone is None:
            return None
        return portable_name(self.backbone, Path(backbone_location(self.backbone, folder.path)))


def read_report(out: Path) -> dict[str, Any]:
    """Read what a report wrote; empty for a backbone of an earlier version, which has none."""
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
