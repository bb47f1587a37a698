"""Plots and tables of a screening as HTML for the report and the page; texts are escaped."""

import itertools
from collections.abc import Sequence
from html import escape

from curation.check_names import CHECK_MEANS, check_name
from screening.report.figures import CheckFigure, ScreeningFigures
from screening.report.rates import Rate

VERDICTS = ("pass", "flag", "block")
GROUPS = {
    "untouched": "Untouched real images: false alarms",
    "planted": "Planted faults",
    "wrong label": "Real images under a class that they do not show",
    "repeat": "Repeats, by the search for duplicates",
}
SHARES = ("brightness", "saturation", "label_agreement")  # never above 1; no check is below 0
# Percent of the colour behind a share; the number stands in it too, for readers of any colour vision.
STRONGEST = 62


def readable(name: str) -> str:
    """`power_spectrum` as `Power spectrum`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def class_table(figures: ScreeningFigures) -> str:
    """Verdicts by the class that was asked for."""
    rows = "".join(
        f"<tr><th>{escape(readable(label))}</th>"
        + "".join(f'<td class="r-number">{counts[verdict]}</td>' for verdict in VERDICTS)
        + f'<td class="r-number">{counts.total()}</td></tr>'
        for label, counts in figures.by_class.items()
    )
    head = "".join(f'<th class="r-number">{name}</th>' for name in ("Pass", "Flag", "Block", "Images"))
    return f'<table class="r-table"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>'


def distribution(figure: CheckFigure) -> str:
    """Values of a batch as bars over those of held-out real images, with the thresholds as lines."""
    top = max((max(part.drawn, part.real) for part in figure.bins), default=0.0) or 1.0
    width = 100 / len(figure.bins)
    bars = "".join(
        f'<i style="left:{width * place:.2f}%;width:{width:.2f}%;height:{100 * bin.real / top:.1f}%"></i>'
        f'<b style="left:{width * (place + 0.25):.2f}%;width:{width / 2:.2f}%;height:{100 * bin.drawn / top:.1f}%"></b>'
        for place, bin in enumerate(figure.bins)
    )
    span = figure.right - figure.left
    lines = "".join(
        f'<u class="{kind}" style="left:{100 * (at - figure.left) / span:.2f}%" title="{kind}: {at:.4g}"></u>'
        for at, kind in figure.lines
    )
    counts = f"{figure.flagged} of {figure.n} flagged, {figure.blocked} blocked"
    beyond = f"{figure.beyond} further out" if figure.beyond else ""
    real = f"{figure.real_n} real images behind" if figure.real_n else "no values of real images kept"
    if figure.not_set:
        bars, lines, real = "", "", figure.not_set
    least, most = max(figure.left, 0.0), min(figure.right, 1.0) if figure.name in SHARES else figure.right
    ends = ("", "") if figure.not_set else (f"{least:.3g}", f"{most:.3g}")
    meaning, name = CHECK_MEANS.get(figure.name, ""), escape(readable(check_name(figure.name)))
    return (
        f'<figure class="r-dist"><h3 title="{escape(figure.name)}">{name}<small>{counts}</small></h3>'
        f'<div class="r-bars" role="img" aria-label="{name}: {counts}">{bars}{lines}</div>'
        f"<figcaption><span>{ends[0]}</span><span>{escape(', '.join(part for part in (real, beyond) if part))}"
        f"</span><span>{ends[1]}</span></figcaption><p>{escape(meaning)}</p></figure>"
    )


def rates_table(rows: Sequence[Rate], checks: Sequence[str]) -> str:
    """A row for each fault: caught and blocked with n and interval, then each check alone, in percent."""
    head = "".join(f'<th title="{escape(name)}">{escape(readable(check_name(name)))}</th>' for name in checks)
    body = "".join(
        _group_row(group, len(checks)) + "".join(_rate_row(rate, checks) for rate in rates)
        for group, rates in itertools.groupby(rows, key=lambda rate: rate.group)
    )
    return (
        '<table class="r-table r-rates"><thead><tr><th></th><th>Caught</th><th>Blocked</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _group_row(group: str, checks: int) -> str:
    return f'<tr class="r-group"><th colspan="{checks + 3}">{escape(GROUPS[group])}</th></tr>'


def _rate_row(rate: Rate, checks: Sequence[str]) -> str:
    cells = "".join(
        _share_cell(rate.by_check[name], rate.n) if name in rate.by_check else "<td></td>" for name in checks
    )
    return (
        f"<tr><th>{escape(readable(rate.name))}</th><td>{100 * rate.share:.0f} %"
        f"<small>{100 * rate.low:.0f} to {100 * rate.high:.0f}, {rate.caught} of {rate.n}</small></td>"
        f"<td>{100 * rate.blocked / rate.n if rate.n else 0:.0f} %</td>{cells}</tr>"
    )


def _share_cell(caught: int, n: int) -> str:
    share = caught / n if n else 0.0
    return f'<td class="r-cell" style="--heat:{STRONGEST * share:.0f}%">{f"{100 * share:.0f}" if caught else ""}</td>'


def reliability_table(bins: Sequence[Sequence[float]]) -> str:
    """A probe's probabilities beside how often it was right."""
    rows = "".join(
        f'<tr><td class="r-number">{100 * predicted:.0f} %</td><td class="r-number">{100 * right:.0f} %</td>'
        f'<td class="r-number">{count:.0f}</td></tr>'
        for count, predicted, right in bins
    )
    head = "".join(f'<th class="r-number">{name}</th>' for name in ("Probability", "Right", "Images"))
    return f'<table class="r-table r-reliability"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
