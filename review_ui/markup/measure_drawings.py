"""Draw curves and maps of a measurement as SVG in `data:` URLs, which pass the page's sanitiser."""

import base64
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from curation.check_names import scope_name
from review_ui.markup.plots import readable

# Middle tones that stand out on the dark theme and on the light one; never told apart by colour alone.
OWN, FLOOR, REAL, TEXT = "#dd7a45", "#4d9fc7", "#98a1aa", "#8a949d"
KINDS = {
    "approved": ("#3aa57a", '<circle cx="{x}" cy="{y}" r="3.4" fill="{c}"/>'),
    "rejected": ("#dd6a50", '<path d="M{x} {y}m-3 -3l6 6m0 -6l-6 6" stroke="{c}" stroke-width="1.6"/>'),
}
UNSETTLED = ("#c9a13f", '<path d="M{x} {y}m-3.5 0h7m-3.5 -3.5v7" stroke="{c}" stroke-width="1.6"/>')
REAL_MARK = '<circle cx="{x}" cy="{y}" r="2.6" fill="none" stroke="{c}" stroke-width="1.1"/>'
WIDTH, HEIGHT, EDGE = 380, 260, 34


def spectrum_figure(result: dict[str, Any]) -> str:
    """Spectra: a panel for each scope, with three curves."""
    panels = "".join(
        f"<div><h3>{escape(readable(scope_name(scope['scope'])))}</h3>"
        f"{_image(_curves(scope['spectra']), 'Mean spectra')}</div>"
        for scope in result["scopes"]
    )
    return f'<div class="r-multiples">{panels}</div>'


def _curves(spectra: dict[str, dict[str, list[float]]]) -> str:
    values = [value for curve in spectra.values() for value in curve["mean"]]
    low, high = min(values), max(values)
    cycles = len(spectra["real"]["mean"])

    def point(cycle: int, value: float) -> str:
        x = EDGE + (WIDTH - EDGE - 6) * (cycle - 1) / max(1, cycles - 1)
        y = 6 + (HEIGHT - EDGE - 6) * (high - value) / ((high - low) or 1)
        return f"{x:.1f},{y:.1f}"

    lines = "".join(
        f'<polyline points="{" ".join(point(n, v) for n, v in enumerate(spectra[name]["mean"], 1))}" fill="none" '
        f'stroke="{color}" stroke-width="1.8" {dash}/>'
        for name, color, dash in (("real", REAL, ""), ("held_out", FLOOR, 'stroke-dasharray="5 4"'), ("drawn", OWN, ""))
    )
    return lines + _axes(f"{low:.0f} dB", f"{high:.0f} dB", "1", f"{cycles} cycles per image")


def _axes(bottom: str, top: str, left: str, right: str) -> str:
    ground = HEIGHT - EDGE
    return (
        f'<path d="M{EDGE} 6V{ground}H{WIDTH - 6}" fill="none" stroke="{TEXT}" stroke-width="1" opacity=".6"/>'
        f'<text x="{EDGE + 6}" y="16">{escape(top)}</text><text x="{EDGE + 6}" y="{ground - 6}">{escape(bottom)}</text>'
        f'<text x="{EDGE}" y="{ground + 16}">{escape(left)}</text>'
        f'<text x="{WIDTH - 6}" y="{ground + 16}" text-anchor="end">{escape(right)}</text>'
    )


def map_figure(points: Sequence[dict[str, Any]]) -> str:
    """Map: a panel for each class, with all images as background and those of the class by outcome."""
    if not points:
        return ""
    xs, ys = [float(point["x"]) for point in points], [float(point["y"]) for point in points]
    places = zip(points, xs, ys, strict=True)
    placed = [(point, _within(x, xs, WIDTH), _within(y, ys, HEIGHT)) for point, x, y in places]
    ground = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.1" fill="{TEXT}" opacity=".35"/>' for _, x, y in placed)
    panels = ""
    for label in sorted({str(point["class"]) for point in points}):
        of_class = [(str(point["kind"]), x, y) for point, x, y in placed if point["class"] == label]
        order = sorted(of_class, key=lambda mark: mark[0] != "real")  # real ones below
        marks = "".join(_mark(kind, x, y) for kind, x, y in order)
        counts = Counter(kind for kind, _, _ in of_class)
        summary = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        panels += (
            f"<div><h3>{escape(readable(label))}</h3>{_image(ground + marks, f'Map of {label}: {summary}')}"
            f'<p class="r-soft r-small">{escape(summary)}</p></div>'
        )
    return f'<div class="r-multiples">{panels}</div>'


def _within(value: float, values: Sequence[float], size: int) -> float:
    low, high = min(values), max(values)
    return 8 + (size - 16) * (value - low) / ((high - low) or 1)


def _mark(kind: str, x: float, y: float) -> str:
    color, shape = (REAL, REAL_MARK) if kind == "real" else KINDS.get(kind, UNSETTLED)
    return shape.format(x=f"{x:.1f}", y=f"{y:.1f}", c=color)


def _image(content: str, alt: str) -> str:
    style = f"<style>text{{font:12px system-ui,sans-serif;fill:{TEXT}}}</style>"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">{style}{content}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return f'<img class="r-drawing" src="data:image/svg+xml;base64,{encoded}" alt="{escape(alt)}">'
