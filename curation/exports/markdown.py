"""Tables and figures as Markdown."""

from collections.abc import Iterable, Sequence

from curation.estimates import Estimate


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; bars in cells are escaped and line ends become spaces."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def figure(value: float | None, low: float | None, high: float | None, reason: str | None = None) -> str:
    """A value with its interval, or why there is none."""
    if value is None:
        return reason or "not measured"
    shown = f"{value:.3g}"
    return shown if low is None or high is None else f"{shown} ({low:.3g} to {high:.3g})"


def estimate(found: Estimate) -> str:
    """An estimate as `figure` shows it."""
    return figure(found.value, found.low, found.high, found.how)
