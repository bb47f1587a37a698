"""Figures of a report on the privacy gate: shares caught by severity, and pairs missed and caught."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from curation.image_store import Pixels
from curation.provenance.public_web import describe_backbone
from screening.error_rates.privacy import CAUGHT, Example

PAIRS_A_ROW = 8
MOST_PAIRS = 48


def plot_error_rates(report: dict[str, Any], examples: Sequence[Example], directory: Path) -> list[Path]:
    """Write `privacy-caught.png` and `privacy-pairs.png` into a directory; returns their paths.

    The second shows training images: it is for the curator and the privacy role only.
    """
    if "caught" not in report["result"]:
        return []
    directory.mkdir(parents=True, exist_ok=True)
    paths = directory / "privacy-caught.png", directory / "privacy-pairs.png"
    _plot_shares(report, paths[0])
    _plot_pairs(examples, paths[1])
    return list(paths)


def _plot_shares(report: dict[str, Any], path: Path) -> None:
    rows = report["result"]["caught"]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    figure, grid = plt.subplots(3, 4, figsize=(12, 8), sharey=True, layout="constrained")
    for axes, kind in zip(grid.flat, kinds, strict=False):
        _plot_kind(axes, kind, [row for row in rows if row["kind"] == kind])
    for axes in grid.flat[len(kinds) :]:
        axes.axis("off")
    for axes in grid[:, 0]:
        axes.set_ylabel("blocked")
    parameters = report["parameters"]
    figure.suptitle(
        f"Copies of training images that the privacy gate blocks, 95 % Clopper-Pearson; line: {CAUGHT:.0%}.\n"
        f"Features: {describe_backbone(parameters)}. Autoencoder: {parameters['autoencoder']}.",
        fontsize=9,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _plot_kind(axes: Axes, kind: str, rows: list[dict[str, Any]]) -> None:
    shares = np.array([row["count"] / row["n"] for row in rows])
    errors = np.array([[share - row["low"], row["high"] - share] for share, row in zip(shares, rows, strict=True)]).T
    places = np.arange(len(rows))
    axes.errorbar(places, shares, yerr=np.maximum(errors, 0), fmt="o", color="black", capsize=3)
    axes.axhline(CAUGHT, color="tab:red", linewidth=0.8)
    axes.set(title=kind, ylim=(-0.03, 1.03), xlim=(-0.5, len(rows) - 0.5))
    axes.set_xticks(places, [f"{row['severity']:g}" for row in rows])


def _plot_pairs(examples: Sequence[Example], path: Path) -> None:
    """Copy above, training image below; missed ones first."""
    chosen = sorted(examples, key=lambda example: example.caught)[:MOST_PAIRS]
    bands = -(-len(chosen) // PAIRS_A_ROW)
    figure, grid = plt.subplots(2 * bands, PAIRS_A_ROW, figsize=(PAIRS_A_ROW * 1.3, bands * 2.9), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for number, example in enumerate(chosen):
        band, column = divmod(number, PAIRS_A_ROW)
        above, below = grid[2 * band, column], grid[2 * band + 1, column]
        above.set_title(f"{example.kind} {example.severity:g}\n{'caught' if example.caught else 'missed'}", fontsize=7)
        _show(above, example.copy)
        _show(below, example.source)
    figure.tight_layout(pad=0.3, h_pad=1.5)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _show(axes: Axes, pixels: Pixels) -> None:
    plane = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    axes.imshow(plane, cmap="gray", vmin=0, vmax=np.iinfo(pixels.dtype).max, interpolation="nearest")
