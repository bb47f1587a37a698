"""Plots of a measurement as PNG: values beside their floors, spectra, the map, modes and odds."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from curation.check_names import MEASURE_TITLES, measure_key
from curation.image_store import Pixels

matplotlib.use("Agg")

TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
DRAWN, FLOOR, GRAY = "#c2562d", "#2b6f8f", "#8a8f94"
KINDS = {"real": (GRAY, "o", 9), "approved": ("#1d7a55", "o", 16), "rejected": ("#b3402a", "x", 20),
         "unresolved": ("#b98d1c", "+", 20), "unread": ("#b98d1c", ".", 14)}  # fmt: skip
STATES = {"missed": "#b3402a", "scarce": "#c98a2b", "ample": "#5b52a3", "even": "#1d7a55"}


def notices(result: dict[str, Any], features: str) -> list[str]:
    """List what has to stand on every plot: whose features, a model's outcomes, and the notice of the images."""
    lines = [f"Features: {features}."]
    if result["outcomes_by_proxy_alone"]:
        lines.append(f"Outcomes of {result['outcomes_by_proxy_alone']} images are by a PROXY (a model) alone.")
    if result["notice"]:
        lines.append(result["notice"])
    return lines


def _png(figure: Figure, lines: Sequence[str], legend: str) -> bytes:
    """Save a figure with its legend and the notices of the measurement below it."""
    figure.text(0.5, -0.02, "\n".join([legend, *lines]), ha="center", va="top", fontsize=8, color="#444")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120, bbox_inches="tight")
    return out.getvalue()


def plot_measures(result: dict[str, Any], lines: Sequence[str]) -> bytes:
    """A panel for each measure: the generated images and, below, held-out real ones, by scope."""
    scopes = result["scopes"]
    measures = {
        (scope["scope"], measure_key(measure)): measure
        for scope in scopes
        for measure in scope["measures"]
        if measure["value"]
    }
    keys = list(dict.fromkeys(key for _, key in measures))
    columns = 3
    rows = -(-len(keys) // columns)
    figure = Figure(figsize=(4.2 * columns, (0.55 * len(scopes) + 0.9) * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, key in zip(axes, keys, strict=False):
        _dots(axis, [measures.get((scope["scope"], key)) for scope in scopes], [s["scope"] for s in scopes])
        axis.set_title(MEASURE_TITLES.get(key, key), fontsize=10)
    for axis in axes[len(keys) :]:
        axis.set_visible(False)
    sizes = ", ".join(f"{scope['scope']} {scope['n']}" for scope in scopes)
    figure.suptitle(f"{result['set']}   (n: {sizes})", fontsize=11)
    return _png(figure, lines, "Orange: the set. Blue, hollow: held-out real images at the same n. Lines: 95 %.")


def _dots(axis: Axes, rows: Sequence[dict[str, Any] | None], names: Sequence[str]) -> None:
    for place, measure in enumerate(rows):
        if measure is None:
            continue
        for side, shift, color, fill in (("value", -0.15, DRAWN, DRAWN), ("floor", 0.15, FLOOR, "white")):
            estimate = measure[side]
            axis.plot([estimate["low"], estimate["high"]], [place + shift] * 2, color=color, lw=1.6)
            axis.plot(estimate["value"], place + shift, "o", color=color, mfc=fill, ms=6)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", alpha=0.25)


def plot_spectra(result: dict[str, Any], lines: Sequence[str]) -> bytes:
    """Mean log power by frequency of the three sets, a panel for each scope."""
    scopes = result["scopes"]
    figure = Figure(figsize=(4.2 * len(scopes), 3.4), layout="constrained")
    for axis, scope in zip(figure.subplots(1, len(scopes), squeeze=False, sharey=True).flat, scopes, strict=True):
        for name, color, style in (("real", GRAY, "-"), ("held_out", FLOOR, "--"), ("drawn", DRAWN, "-")):
            mean, error = (np.array(scope["spectra"][name][part]) for part in ("mean", "error"))
            cycles = np.arange(1, len(mean) + 1)
            axis.plot(cycles, mean, style, color=color, lw=1.4, label=name.replace("_", "-"))
            axis.fill_between(cycles, mean - 1.96 * error, mean + 1.96 * error, color=color, alpha=0.2, lw=0)
        axis.set_title(f"{scope['scope']}, n {scope['n']}", fontsize=10)
        axis.set_xlabel("cycles per image", fontsize=9)
        axis.grid(alpha=0.25)
    figure.axes[0].set_ylabel("mean log power, dB", fontsize=9)
    figure.axes[-1].legend(fontsize=8)
    return _png(figure, lines, "Bands: 95 % of the mean, frequency by frequency.")


def plot_map(result: dict[str, Any], lines: Sequence[str]) -> bytes | None:
    """Real and generated images in a plane, a panel for each class."""
    points = result["map"]["points"]
    if not points:
        return None
    classes = sorted({point["class"] for point in points})
    figure = Figure(figsize=(4.4 * len(classes), 4.4), layout="constrained")
    for axis, label in zip(figure.subplots(1, len(classes), squeeze=False).flat, classes, strict=True):
        axis.scatter([p["x"] for p in points], [p["y"] for p in points], s=3, color="#d9dcdf", lw=0)
        for kind, (color, mark, size) in KINDS.items():
            chosen = [point for point in points if point["class"] == label and point["kind"] == kind]
            if chosen:
                axis.scatter([p["x"] for p in chosen], [p["y"] for p in chosen], s=size, c=color, marker=mark,
                             lw=0.9, label=f"{kind} {len(chosen)}")  # fmt: skip
        axis.set_title(label, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.legend(fontsize=7, loc="best")
    return _png(
        figure, lines, "t-SNE of features: near images lie near; far distances and the size of heaps mean nothing."
    )


def plot_curation(result: dict[str, Any], lines: Sequence[str]) -> bytes | None:
    """Kept share by real share of each mode and subgroup; 1 is as often as among real images."""
    rows = [row for row in result["map"]["representation"] if row["ratio"] and row["ratio"]["low"] is not None]
    if not rows:
        return None
    names = [f"{row['grouping']}: {row['level']} ({row['kept']['hits']} kept)" for row in rows]
    figure = _forest(
        [row["ratio"] for row in rows], names, [STATES.get(row["state"], GRAY) for row in rows],
        f"{result['map']['kept_are']} share by real share",
    )  # fmt: skip
    legend = "Red: missed, ochre: scarce, violet: ample, green: even, gray: unsure, at a level divided by "
    return _png(figure, lines, f"{legend}{result['map']['looks']} looks. Lines: 95 % each.")


def plot_odds(result: dict[str, Any], lines: Sequence[str]) -> bytes | None:
    """Odds ratio of being approved, each level against all others of its class."""
    rows = [row for row in result["map"]["odds"] if row["ratio"]]
    if not rows:
        return None
    names = [
        f"{row['grouping']}: {row['level']} ({row['approved']} of {row['approved'] + row['rejected']})" for row in rows
    ]
    figure = _forest([row["ratio"] for row in rows], names, [DRAWN] * len(rows), "odds ratio of being approved")
    legend = "In brackets: approved of approved and rejected. Lines: 95 % each; of twenty, one misses by chance."
    return _png(figure, lines, legend)


def _forest(ratios: Sequence[dict[str, float]], names: Sequence[str], colors: Sequence[str], label: str) -> Figure:
    figure = Figure(figsize=(7.5, 0.28 * len(names) + 1), layout="constrained")
    axis = figure.subplots()
    for place, (ratio, color) in enumerate(zip(ratios, colors, strict=True)):
        axis.plot([max(ratio["low"], TICKS[0]), ratio["high"]], [place] * 2, color=color, lw=1.6)
        axis.plot(max(ratio["value"], TICKS[0]), place, "o", color=color, ms=5)
    axis.axvline(1, color="#555", lw=0.8)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(TICKS))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(label, fontsize=9)
    axis.grid(axis="x", alpha=0.25)
    return figure


def plot_medoids(result: dict[str, Any], lines: Sequence[str], images: dict[str, Pixels]) -> bytes | None:
    """The real image in the middle of each mode, with what became of the mode."""
    rows = [row for row in result["map"]["representation"] if row["grouping"] == "mode" and row["level"] in images]
    if not rows:
        return None
    columns = min(6, len(rows))
    figure = Figure(figsize=(1.9 * columns, 2.5 * -(-len(rows) // columns)), layout="constrained")
    axes = list(figure.subplots(-(-len(rows) // columns), columns, squeeze=False).flat)
    for axis in axes:
        axis.axis("off")
    for axis, row in zip(axes, rows, strict=False):
        pixels = images[row["level"]]
        axis.imshow(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, cmap="gray")
        color = STATES.get(row["state"], GRAY)
        counts = f"real {row['real']['hits']}, drawn {row['drawn']['hits']}, kept {row['kept']['hits']}"
        axis.set_title(f"{row['level']}: {row['state']}\n{counts}", fontsize=8, color=color)
    return _png(figure, lines, "Real training images, the nearest to the middle of their mode.")
