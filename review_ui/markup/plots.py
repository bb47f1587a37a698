"""Small plots as HTML: dots with intervals, a heat table, bars; text from the database is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

from curation.check_names import check_name
from curation.estimates import Estimate
from curation.tables.reading import Verdict
from review_ui.figures.reasons import ReasonByClass
from review_ui.figures.screening import CheckAgainstReaders
from review_ui.figures.timing import ReaderTime

MARKS = {Verdict.ACCEPT: "✓", Verdict.REJECT: "✕", Verdict.UNSURE: "?"}


def section(title: str, body: str, csv: str | None = None, note: str = "", above: bool = False) -> str:
    """A titled part of a page, with its CSV beside the title and a note below, or `above` a long body."""
    link = f'<a class="r-csv" href="{escape(csv)}" download>CSV</a>' if csv else ""
    foot = f'<p class="r-soft r-small">{escape(note)}</p>' if note else ""
    body = f"{foot}{body}" if above else f"{body}{foot}"
    return f'<section class="r-section r-part"><h2>{escape(title)}{link}</h2>{body}</section>'


def readable(label: str) -> str:
    """`ring_lesion` as `Ring lesion`."""
    text = label.replace("_", " ")
    return text[:1].upper() + text[1:]


def dot_plot(title: str, shares: Mapping[str, Estimate]) -> str:
    """Proportions by name as dots with their intervals on one scale from 0 to 100 %, n beside each."""
    lines = "".join(f"<tr><th>{escape(readable(name))}</th>{dot_cells(share)}</tr>" for name, share in shares.items())
    axis = '<tr class="r-axis"><th></th><td class="r-plot"><div><i>0</i><i>50</i><i>100 %</i></div></td><td></td></tr>'
    return f'<div><h3>{escape(title)}</h3><table class="r-table r-dots">{lines}{axis}</table></div>'


def dot_cells(share: Estimate, tone: str = "") -> str:
    """Two cells of a proportion: a dot on its interval, then the same in numbers with its n."""
    value, low, high = share.percent()
    dot = f'<u style="left:{low:.2f}%;width:{high - low:.2f}%"></u><b style="left:{value:.2f}%"></b>'
    return (
        f'<td class="r-plot"><div class="r-scale {tone}">{dot}</div></td>'
        f'<td class="r-number">{value:.0f} %<small>{low:.0f} to {high:.0f}, n\u00a0{share.n}</small></td>'
    )


def two_columns(rows: Sequence[tuple[str, object]]) -> str:
    """A table of names and values."""
    cells = ((escape(name), escape(str(value))) for name, value in rows)
    lines = "".join(f'<tr><th>{name}</th><td class="r-number">{value}</td></tr>' for name, value in cells)
    return f'<table class="r-table">{lines}</table>'


def heat_table(cells: Sequence[ReasonByClass]) -> str:
    """Reasons by class: the darker a cell, the larger its share of the readings of the class."""
    labels = sorted({cell.label for cell in cells})
    by_reason: dict[str, dict[str, Estimate]] = {}
    for cell in cells:
        by_reason.setdefault(cell.reason, {})[cell.label] = cell.share
    top = max((cell.share.percent()[0] for cell in cells), default=0) or 1
    head = "".join(f"<th>{escape(readable(label))}</th>" for label in labels)
    body = "".join(
        f"<tr><th>{escape(reason)}</th>{''.join(_heat(row[label], top) for label in labels)}</tr>"
        for reason, row in by_reason.items()
    )
    return f'<table class="r-table r-heat"><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _heat(share: Estimate, top: float) -> str:
    value, low, high = share.percent()
    return (
        f'<td style="--heat:{62 * value / top:.0f}%">{value:.0f} %'
        f"<small>{low:.0f} to {high:.0f}, {share.hits} of {share.n}</small></td>"
    )


def histogram(bins: Sequence[tuple[str, int]]) -> str:
    """Vertical bars, each with its count above and its bin below."""
    top = max((count for _, count in bins), default=0) or 1
    bars = "".join(
        f'<li><b>{count or ""}</b><i style="height:{100 * count / top:.1f}%"></i><span>{escape(name)}</span></li>'
        for name, count in bins
    )
    return f'<ol class="r-histogram" aria-label="Readings by seconds per image">{bars}</ol>'


def reader_times(rows: Sequence[ReaderTime]) -> str:
    """Median seconds per image of each reader."""
    top = max([time.high_s or time.median_s for time in rows], default=1.0) or 1.0
    lines = "".join(_time_row(time, top) for time in rows)
    return f'<table class="r-table r-dots">{lines}</table>'


def _time_row(time: ReaderTime, top: float) -> str:
    low, high = time.low_s, time.high_s
    span = "" if low is None or high is None else f"left:{100 * low / top:.2f}%;width:{100 * (high - low) / top:.2f}%"
    words = "too few for an interval" if low is None or high is None else f"{low:.1f} to {high:.1f}"
    line = f'<u style="{span}"></u>' if span else ""
    return (
        f'<tr><th>{escape(time.reader)}</th><td class="r-plot"><div class="r-scale">{line}'
        f'<b style="left:{100 * time.median_s / top:.2f}%"></b></div></td>'
        f'<td class="r-number">{time.median_s:.1f} s<small>{words}, n\u00a0{time.n}</small></td></tr>'
    )


def screening_table(rows: Sequence[CheckAgainstReaders]) -> str:
    """Shares rejected by readers, for images that each check passed, flagged, or blocked (audits)."""
    audited = any(row.blocked for row in rows)
    lines = "".join(
        f"<tr><th>{escape(readable(check_name(row.check)))}</th>{_rejected_cells(row.passed)}{_rejected_cells(row.flagged)}"
        f"{_rejected_cells(row.blocked) if audited else ''}</tr>"
        for row in rows
    )
    blocked = '<th colspan="2">Where it blocked (audit)</th>' if audited else ""
    head = (
        '<tr><th></th><th colspan="2">Rejected by readers where the check passed</th>'
        f'<th colspan="2">Where it flagged</th>{blocked}</tr>'
    )
    return f'<table class="r-table r-dots r-two"><thead>{head}</thead><tbody>{lines}</tbody></table>'


def _rejected_cells(share: Estimate | None) -> str:
    empty = '<td class="r-plot"></td><td class="r-number r-soft">none</td>'
    return empty if share is None else dot_cells(share, "reject")
