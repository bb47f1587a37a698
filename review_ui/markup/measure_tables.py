"""Tables of a measurement as HTML: values beside their floors, ratios and odds on a log scale. All text is escaped."""

from collections.abc import Sequence
from html import escape
from math import log
from typing import Any

from curation.check_names import MEASURE_TITLES, SHARE_MEASURES, measure_key, scope_name
from review_ui.markup.plots import readable

WIDEST = 16.0  # a ratio beyond it, or below its inverse, stands at the edge
MEANS = {
    "frechet_components": "How far the set as a whole lies from real images, by the features of a network.",
    "frechet": "How far the set as a whole lies from real images, by the features of a network.",
    "kernel": "How far the two lie apart, whatever their shape: about 0 where alike, by chance below it.",
    "precision": "Share of the set that lies where real images lie: do they look real?",
    "recall": "Share of real images that lie where the set lies: is all of their variety there?",
    "density": "How many real images surround one of the set; about 1 for real ones.",
    "coverage": "Share of real images that have one of the set close by.",
    "authenticity": "Share of the set that is no copy: farther from its nearest training image than that one's next.",
    "spectral": "Difference in coarse and fine detail, in decibels.",
}
Figure = dict[str, Any]


def measure_tables(result: Figure, beside: Figure | None) -> str:
    """One table for each measure, a row for each scope; under it the one of the set that stands beside."""
    every = [one for scope in result["scopes"] for one in scope["measures"]]
    keys = dict.fromkeys(measure_key(one) for one in every if one["value"])
    return "".join(_measure_table(key, result, beside) for key in keys)


def not_given(result: Figure) -> list[str]:
    """What has no value in any scope, and why not in the first."""
    reasons: dict[str, str] = {}
    for one in (one for scope in reversed(result["scopes"]) for one in scope["measures"]):
        reasons[one["name"]] = "" if one["value"] or reasons.get(one["name"]) == "" else str(one["note"])
    return [f"{name} {why}" for name, why in reasons.items() if why]


def _measure_table(key: str, result: Figure, beside: Figure | None) -> str:
    rows = []
    for scope in result["scopes"]:
        rows += [(readable(scope_name(scope["scope"])), f"n {scope['n']}", one) for one in _measures_of(scope, key)]
        for other in (beside or {"scopes": []})["scopes"]:
            if other["scope"] == scope["scope"]:
                rows += [("", f"{(beside or {})['set']}, n {other['n']}", one) for one in _measures_of(other, key)]
    low, high = _scale(key, [one for _, _, one in rows])
    body = "".join(_measure_row(label, small, one, low, high) for label, small, one in rows)
    body += _axis(f"{low:.2g}", f"{high:.2g}")
    title = f"{readable(MEASURE_TITLES.get(key, key))}: {rows[0][2]['better']} is nearer to real"
    means = f'<p class="r-soft r-means">{escape(MEANS.get(key, ""))}</p>'
    return f'<div><h3>{escape(title)}</h3>{means}<table class="r-table r-dots">{body}</table></div>'


def _measures_of(scope: Figure, key: str) -> list[Figure]:
    return [measure for measure in scope["measures"] if measure_key(measure) == key]


def _scale(key: str, rows: Sequence[Figure]) -> tuple[float, float]:
    if key in SHARE_MEASURES:
        return 0.0, 1.0
    ends = [one[side][end] for one in rows if one["value"] for side in ("value", "floor") for end in ("low", "high")]
    return min(0.0, *ends, 0.0), max(*ends, 1e-9) if ends else 1.0


def _measure_row(label: str, small: str, one: Figure, low: float, high: float) -> str:
    head = f"<th>{escape(label)}<small>{escape(small)}</small></th>"
    if one["value"] is None:
        return f'<tr>{head}<td colspan="2" class="r-soft">{escape(one["note"])}</td></tr>'

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    marks = "".join(
        f'<u class="{css}" style="left:{place(at["low"]):.2f}%;width:{place(at["high"]) - place(at["low"]):.2f}%"></u>'
        f'<b class="{css}" style="left:{place(at["value"]):.2f}%"></b>'
        for at, css in ((one["value"], "r-own"), (one["floor"], "r-floor"))
    )
    return (
        f'<tr title="{escape(one["note"])}">{head}<td class="r-plot"><div class="r-scale r-pair">{marks}</div></td>'
        f'<td class="r-number">{words(one["value"])}<small>real {words(one["floor"])}</small></td></tr>'
    )


def words(one: Figure) -> str:
    """A value with its interval small on a line of its own."""
    value = f"{one['value']:.3g}" if abs(one["value"]) >= 0.01 else f"{one['value']:.1g}"
    if one["low"] is None:
        return value
    return f"{value}<small>{one['low']:.2g} to {one['high']:.2g}</small>"


def membership_table(found: Figure) -> str:
    """AUC and share found at 1 % false positives, by score."""
    if not found["attacks"]:
        return ""
    body = "".join(
        f"<tr><th>{escape(readable(one['name']))}<small>{escape(small)}</small></th>"
        f'<td class="r-plot">{_dot(one[key]["value"], one[key]["low"], one[key]["high"])}</td>'
        f'<td class="r-number">{words(one[key])}</td></tr>'
        for one in found["attacks"]
        for key, small in (("auc", "AUC"), ("found_at_1_percent", "found at 1 % false"))
    )
    return f'<table class="r-table r-dots">{body}</table>'


def _dot(value: float, low: float, high: float) -> str:
    span = f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"
    return f'<div class="r-scale"><u style="{span}"></u><b style="left:{100 * value:.2f}%"></b></div>'


def ratio_tables(found: Figure) -> str:
    """How often each mode and subgroup is kept by how often it is real, a table for each grouping."""
    return "".join(
        _table(
            "Modes" if name == "mode" else f"By {name}",
            [_ratio_row(one["level"], f"{one['state']}; {_covered(one)}", one["ratio"]) for one in rows],
        )
        for name, rows in _grouped(found["representation"]).items()
    )


def _covered(one: Figure) -> str:
    if one["covered"] is None:
        return "too few to say what is covered"
    return (
        f"covered {one['covered']['hits']} of {one['covered']['n']}, by held-out real images "
        f"{one['covered_floor']['hits']}"
    )


def odds_tables(found: Figure) -> str:
    """Odds ratios of being approved, a table for each grouping."""
    return "".join(
        _table(
            "Modes" if name == "mode" else f"By {name.replace('_', ' ')}",
            [_ratio_row(one["level"], _approved(one), one["ratio"]) for one in rows],
        )
        for name, rows in _grouped(found["odds"]).items()
    )


def _approved(one: Figure) -> str:
    counted = f"{one['approved']} of {one['approved'] + one['rejected']} approved"
    return f"{counted}; {one['note']}" if one["note"] else counted


def _grouped(rows: Sequence[Figure]) -> dict[str, list[Figure]]:
    found: dict[str, list[Figure]] = {}
    for one in rows:
        found.setdefault(one["grouping"], []).append(one)
    return found


def _table(title: str, rows: Sequence[str]) -> str:
    body = "".join(rows) + _axis("1/16", "1", "16")
    return f'<div><h3>{escape(title)}</h3><table class="r-table r-dots">{body}</table></div>'


def _axis(*marks: str) -> str:
    """What the ends of the hairlines stand for."""
    told = "".join(f"<i>{mark}</i>" for mark in marks)
    return f'<tr class="r-axis"><th></th><td class="r-plot"><div>{told}</div></td><td></td></tr>'


def _ratio_row(level: str, small: str, ratio: Figure | None) -> str:
    head = f"<th>{escape(readable(level))}<small>{escape(small)}</small></th>"
    if ratio is None or ratio["low"] is None:
        return f'<tr>{head}<td colspan="2" class="r-soft">no ratio</td></tr>'
    value, low, high = (_on_log_scale(ratio[end]) for end in ("value", "low", "high"))
    return f'<tr>{head}<td class="r-plot">{_dot(value, low, high)}</td><td class="r-number">{words(ratio)}</td></tr>'


def _on_log_scale(ratio: float) -> float:
    """0 for a sixteenth and less, a half for one, 1 for sixteen and more."""
    return 0.5 + log(min(max(ratio, 1 / WIDEST), WIDEST)) / (2 * log(WIDEST))
