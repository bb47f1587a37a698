"""Plot AUROC against the share of a network's weights that train, with intervals. Torch-free."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from train.adaptation.rows.row import HEADS, INSERTED, PEFT, WEIGHTS
from train.adaptation.rows.table import METHODS
from train.bakeoff.controls import CONTROLS

CONTROL = "controls"
COLOURS = {HEADS: "#1f4e79", WEIGHTS: "#b3402a", PEFT: "#1d7a55", INSERTED: "#8a5a9e", CONTROL: "#666666"}
MARKERS = {HEADS: "o", WEIGHTS: "s", PEFT: "D", INSERTED: "^", CONTROL: "x"}
LEAST_APART = 0.019  # of the width of the axis: names stand upright beside each other


def plot_shares(result: dict[str, Any]) -> Figure:
    """Draw a point with its interval for each contestant; those without a network are lines across."""
    rows = [row for row in result["contestants"] if "failed" not in row]
    shown = sorted((row for row in rows if row["share"]), key=lambda row: row["share"])
    figure = Figure(figsize=(max(7.0, 3 + 0.24 * len(shown)), 5), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    for row, place in zip(shown, spread([row["share"] for row in shown]), strict=True):
        _draw_point(axes, row, place)
    across = sorted((row for row in rows if row["share"] is None), key=lambda row: row["auroc"]["value"])
    for number, row in enumerate(across):
        value, below = row["auroc"]["value"], number == 0 and len(across) > 1
        axes.axhline(value, color=COLOURS[CONTROL], linewidth=1, linestyle=("--", ":")[number % 2])
        axes.annotate(row["name"], (0.5, value), xycoords=("axes fraction", "data"), ha="center",
                      va="top" if below else "bottom", fontsize=7, color=COLOURS[CONTROL])  # fmt: skip
    axes.set_xlabel("share of the weights that train (equal shares stand side by side)")
    axes.set_ylabel(f"AUROC, {result['confidence']:.0%} interval over {result['resampled']}s and seeds")
    axes.xaxis.set_major_formatter(lambda share, position: f"{100 * share:g}%")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.22 * (high - low))  # room for the names
    _draw_legend(axes, rows)
    title = f"{result['snapshot']}, {result['split']}, backbone {result['backbone']['name']}"
    axes.set_title("\n".join(part for part in (title, result["notice"]) if part), fontsize=8)
    return figure


def family_of(row: dict[str, Any]) -> str:
    """The family of a contestant's method."""
    return CONTROL if row["method"] in CONTROLS else METHODS[row["method"]].row.family


def spread(shares: Sequence[float]) -> list[float]:
    """Move rising shares to the right until no two stand on each other, on a logarithmic axis."""
    if len(shares) < 2:
        return list(shares)
    places = np.log10(shares)
    width = max(places[-1] - places[0], 1.0)
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + LEAST_APART * width)
    return [float(10**place) for place in places]


def _draw_point(axes: Axes, row: dict[str, Any], place: float) -> None:
    family, interval = family_of(row), row["auroc"]
    axes.plot([place, place], [interval["low"], interval["high"]], color=COLOURS[family], linewidth=1.2)
    axes.plot(place, interval["value"], MARKERS[family], color=COLOURS[family], markersize=5)
    axes.annotate(row["name"], (place, interval["high"]), xytext=(0, 4), textcoords="offset points", rotation=90,
                  ha="center", va="bottom", fontsize=7, color=COLOURS[family])  # fmt: skip


def _draw_legend(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    families = dict.fromkeys(family_of(row) for row in rows)
    for family in families:
        axes.plot([], [], MARKERS[family], color=COLOURS[family], markersize=5, label=family)
    axes.legend(fontsize=7, loc="lower right")
