"""What is known of a run, finished or not: its curves and its evaluations. Torch-free."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from train.fitting.curve import CURVE, read_curves

Points = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CourseOfRun:
    """The curves of a run so far, by name, and its evaluations by the names of their files."""

    curves: dict[str, Points]
    evaluations: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, directory: Path) -> "CourseOfRun":
        """Read the folder of a run; a head that takes no steps has its candidates on the card."""
        curves, card_path = read_curves(directory), directory / "card.json"
        if not curves and card_path.is_file():
            history: Points = json.loads(card_path.read_text())["history"]
            curves = {CURVE: history} if history else {}
        paths = sorted(directory.glob("evaluation-*.json"))
        return cls(curves, {path.stem.removeprefix("evaluation-"): json.loads(path.read_text()) for path in paths})

    def evaluation_lines(self) -> dict[str, str]:
        """A line for each evaluation; one on an external set says so."""
        lines = {}
        for name, evaluation in self.evaluations.items():
            figures = ", ".join(
                f"{metric.replace('_', ' ')} {value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
                for metric, value in evaluation["metrics"].items()
            )
            lines[f"external set {name.removeprefix('on-')}" if "on" in evaluation else f"on {name}"] = figures
        return lines

    def plot(self, title: str) -> Figure:
        """Plot the losses above and the accuracy below, by step."""
        figure = Figure(figsize=(7, 5), layout="constrained")
        losses, accuracies = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        for number, (name, points) in enumerate(self.curves.items()):
            prefix = f"{name}, " if len(self.curves) > 1 else ""
            drawn = (
                (losses, "train_loss", "-"),
                (losses, "validation_loss", "--"),
                (accuracies, "validation_accuracy", "--"),
            )
            for axes, measure, style in drawn:
                line = [(point["step"], point[measure]) for point in points if measure in point]
                if line:
                    label = prefix + measure.replace("_", " ")
                    axes.plot(*zip(*line, strict=True), style, color=f"C{number}", marker=".", label=label)
        losses.set_ylabel("loss")
        losses.set_title(title)
        losses.legend()
        accuracies.set_ylabel("accuracy")
        accuracies.set_ylim(0, 1.02)
        accuracies.set_xlabel("step")
        if accuracies.lines:
            accuracies.legend()
        return figure
