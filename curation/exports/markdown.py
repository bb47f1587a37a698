"""Write tables and figures as Markdown."""

from collections.abc import Iterable, Sequence

from curation.estimates import Estimate


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table; bars in cells are escaped and line ends become spaces."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def figure_text(value: float | None, low: float | None, high: float | None, reason: str | None = None) -> str:
    """Write a value with its interval, or why there is none."""
    if value is None:
        return reason or "not measured"
    shown = f"{value:.3g}"
    return shown if low is None or high is None else f"{shown} ({low:.3g} to {high:.3g})"


def estimate_text(estimate: Estimate) -> str:
    """Write an estimate as `figure_text` does."""
    return figure_text(estimate.value, estimate.low, estimate.high, estimate.how)
