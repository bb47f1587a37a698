"""Tables of a measurement as HTML: values beside their floors, ratios and odds on a log scale."""

from collections.abc import Callable, Sequence
from html import escape
from math import log
from typing import Any

from curation.check_names import MEASURE_TITLES, SHARE_MEASURES, measure_key, scope_name
from review_ui.markup.plots import readable

WIDEST = 16.0  # a ratio beyond it, or below its inverse, stands at the edge
MEANS = {
    "frechet_components": "How far the set as a whole lies from real images, by the features of a network.",
    "frechet": "How far the set as a whole lies from real images, by the features of a network.",
    "frechet_class_token": "The same by the token that the network reads the whole image with, as in the literature.",
    "kernel": "How far the two lie apart, whatever their shape: about 0 if alike, sometimes below by chance.",
    "precision": "Share of the set that lies among real images: does it look real?",
    "recall": "Share of real images that lie within the set: does it have all of their variety?",
    "density": "How many real images surround an image of the set; about 1 for real images.",
    "coverage": "Share of real images that have an image of the set close by.",
    "authenticity": "Share of the set that is no copy: its nearest training image is closer to another training image.",
    "spectral": "Difference in coarse and fine detail, in decibels.",
}
Figure = dict[str, Any]


def measure_tables(result: Figure, beside: Figure | None) -> str:
    """One table for each measure, with a row for each scope, and below it the row of the other set."""
    measures = [measure for scope in result["scopes"] for measure in scope["measures"]]
    keys = dict.fromkeys(measure_key(measure) for measure in measures if measure["value"])
    return "".join(_measure_table(key, result, beside) for key in keys)


def measures_without_value(result: Figure) -> list[str]:
    """The measures without a value in any scope, each with the reason in the first scope."""
    reasons: dict[str, str] = {}
    for measure in (measure for scope in reversed(result["scopes"]) for measure in scope["measures"]):
        name = measure["name"]
        reasons[name] = "" if measure["value"] or reasons.get(name) == "" else str(measure["note"])
    return [f"{name} {why}" for name, why in reasons.items() if why]


def _measure_table(key: str, result: Figure, beside: Figure | None) -> str:
    rows = []
    for scope in result["scopes"]:
        name = readable(scope_name(scope["scope"]))
        rows += [(name, f"n {scope['n']}", measure) for measure in _measures_of(scope, key)]
        for other in beside["scopes"] if beside else ():
            if beside and other["scope"] == scope["scope"]:
                small = f"{beside['set']}, n {other['n']}"
                rows += [("", small, measure) for measure in _measures_of(other, key)]
    low, high = _scale(key, [measure for _, _, measure in rows])
    body = "".join(_measure_row(label, small, measure, low, high) for label, small, measure in rows)
    body += _axis(f"{low:.2g}", f"{high:.2g}")
    title = f"{readable(MEASURE_TITLES.get(key, key))}: {rows[0][2]['better']} is nearer to real"
    means = f'<p class="r-soft r-means">{escape(MEANS.get(key, ""))}</p>'
    return f'<div><h3>{escape(title)}</h3>{means}<table class="r-table r-dots">{body}</table></div>'


def _measures_of(scope: Figure, key: str) -> list[Figure]:
    return [measure for measure in scope["measures"] if measure_key(measure) == key]


def _scale(key: str, rows: Sequence[Figure]) -> tuple[float, float]:
    if key in SHARE_MEASURES:
        return 0.0, 1.0
    ends = [row[side][end] for row in rows if row["value"] for side in ("value", "floor") for end in ("low", "high")]
    return min(0.0, *ends, 0.0), max(*ends, 1e-9) if ends else 1.0


def _measure_row(label: str, small: str, measure: Figure, low: float, high: float) -> str:
    head = f"<th>{escape(label)}<small>{escape(small)}</small></th>"
    if measure["value"] is None:
        return f'<tr>{head}<td colspan="2" class="r-soft">{escape(measure["note"])}</td></tr>'

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    marks = "".join(
        f'<u class="{css}" style="left:{place(at["low"]):.2f}%;width:{place(at["high"]) - place(at["low"]):.2f}%"></u>'
        f'<b class="{css}" style="left:{place(at["value"]):.2f}%"></b>'
        for at, css in ((measure["value"], "r-own"), (measure["floor"], "r-floor"))
    )
    return (
        f'<tr title="{escape(measure["note"])}">{head}<td class="r-plot"><div class="r-scale r-pair">{marks}</div></td>'
        f'<td class="r-number">{with_interval(measure["value"])}'
        f"<small>real {with_interval(measure['floor'])}</small></td></tr>"
    )


def with_interval(estimate: Figure) -> str:
    """A value, and its interval in small type on a line of its own."""
    value = f"{estimate['value']:.3g}" if abs(estimate["value"]) >= 0.01 else f"{estimate['value']:.1g}"
    if estimate["low"] is None:
        return value
    return f"{value}<small>{estimate['low']:.2g} to {estimate['high']:.2g}</small>"


def membership_table(membership: Figure) -> str:
    """AUC and share found at 1 % false positives, by score."""
    if not membership["attacks"]:
        return ""
    body = "".join(
        f"<tr><th>{escape(readable(attack['name']))}<small>{escape(small)}</small></th>"
        f'<td class="r-plot">{_dot(attack[key]["value"], attack[key]["low"], attack[key]["high"])}</td>'
        f'<td class="r-number">{with_interval(attack[key])}</td></tr>'
        for attack in membership["attacks"]
        for key, small in (("auc", "AUC"), ("found_at_1_percent", "found at 1 % false"))
    )
    return f'<table class="r-table r-dots">{body}</table>'


def _dot(value: float, low: float, high: float) -> str:
    span = f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"
    return f'<div class="r-scale"><u style="{span}"></u><b style="left:{100 * value:.2f}%"></b></div>'


def ratio_tables(map_result: Figure) -> str:
    """The share of each mode and subgroup among kept images over its share among real ones, by grouping."""
    return _ratio_tables(map_result["representation"], lambda level: f"{level['state']}; {_coverage_text(level)}")


def _coverage_text(level: Figure) -> str:
    if level["covered"] is None:
        return "too few to say what is covered"
    return (
        f"covered {level['covered']['hits']} of {level['covered']['n']}, by held-out real images "
        f"{level['covered_floor']['hits']}"
    )


def odds_tables(map_result: Figure) -> str:
    """Odds ratios of being approved, a table for each grouping."""
    return _ratio_tables(map_result["odds"], _approval_text)


def _approval_text(level: Figure) -> str:
    counted = f"{level['approved']} of {level['approved'] + level['rejected']} approved"
    return f"{counted}; {level['note']}" if level["note"] else counted


def _ratio_tables(levels: Sequence[Figure], text_of: Callable[[Figure], str]) -> str:
    """A table of ratios for each grouping of the levels."""
    by_grouping: dict[str, list[str]] = {}
    for level in levels:
        row = _ratio_row(level["level"], text_of(level), level["ratio"])
        by_grouping.setdefault(level["grouping"], []).append(row)
    titles = {name: "Modes" if name == "mode" else f"By {name.replace('_', ' ')}" for name in by_grouping}
    return "".join(_table(titles[name], rows) for name, rows in by_grouping.items())


def _table(title: str, rows: Sequence[str]) -> str:
    body = "".join(rows) + _axis("1/16", "1", "16")
    return f'<div><h3>{escape(title)}</h3><table class="r-table r-dots">{body}</table></div>'


def _axis(*marks: str) -> str:
    """The labels at the ends of the scale."""
    labels = "".join(f"<i>{mark}</i>" for mark in marks)
    return f'<tr class="r-axis"><th></th><td class="r-plot"><div>{labels}</div></td><td></td></tr>'


def _ratio_row(level: str, small: str, ratio: Figure | None) -> str:
    head = f"<th>{escape(readable(level))}<small>{escape(small)}</small></th>"
    if ratio is None or ratio["low"] is None:
        return f'<tr>{head}<td colspan="2" class="r-soft">no ratio</td></tr>'
    value, low, high = (_on_log_scale(ratio[end]) for end in ("value", "low", "high"))
    dot = _dot(value, low, high)
    return f'<tr>{head}<td class="r-plot">{dot}</td><td class="r-number">{with_interval(ratio)}</td></tr>'


def _on_log_scale(ratio: float) -> float:
    """0 for a sixteenth and less, a half for one, 1 for sixteen and more."""
    return 0.5 + log(min(max(ratio, 1 / WIDEST), WIDEST)) / (2 * log(WIDEST))
