"""Readers against images whose truth is known: a plot in ROC space, and the rules that exclude."""

from html import escape

from curation.reader_study.detection import Detection
from curation.reader_study.estimate import Estimate
from curation.reader_study.report import ReaderStudy

SIDE = 400
TICKS = (0, 25, 50, 75, 100)
LINE_HEIGHT = 17


def detection_plot(study: ReaderStudy, tables: str) -> str:
    """The plot with a point per reader, beside `tables` of d' and criterion."""
    drawn = [one for one in study.detections if _known(one.false_rejects) and _known(one.sensitivity)]
    if not drawn:
        words = "A point needs at least ten planted defects and ten real images read blind by one reader."
        return f'<p class="r-soft">{words}</p>'
    names = _name_heights(drawn)
    points = "".join(_point(one, one.reader in study.excluded, names[one.reader]) for one in drawn)
    label = f"ROC space: {len(drawn)} readers, real images rejected across, defects found upwards"
    plot = f'<svg viewBox="-52 -12 {SIDE + 70} {SIDE + 66}" role="img" aria-label="{label}">{_axes()}{points}</svg>'
    return f'<div class="r-roc"><div>{plot}</div><div>{tables}</div></div>'


def _known(one: Estimate) -> bool:
    return None not in (one.value, one.low, one.high)


def _axes() -> str:
    ticks = "".join(
        f'<text x="{SIDE * tick / 100}" y="{SIDE + 20}" text-anchor="middle">{tick}</text>'
        f'<text x="-10" y="{SIDE - SIDE * tick / 100 + 4}" text-anchor="end">{tick}</text>'
        for tick in TICKS
    )
    return (
        f'<rect class="r-frame" width="{SIDE}" height="{SIDE}"/>'
        f'<line class="r-chance" x1="0" y1="{SIDE}" x2="{SIDE}" y2="0"/>{ticks}'
        f'<text x="{SIDE / 2}" y="{SIDE + 44}" text-anchor="middle">Real images rejected, %</text>'
        f'<text transform="translate(-40 {SIDE / 2}) rotate(-90)" text-anchor="middle">Defects found, %</text>'
    )


def _name_heights(drawn: list[Detection]) -> dict[str, float]:
    """Where each name stands, from the top down, none on another."""
    heights: dict[str, float] = {}
    last = -float(LINE_HEIGHT)
    for one in sorted(drawn, key=lambda one: -(one.sensitivity.value or 0)):
        last = max(_up(one.sensitivity.value) - 9, last + LINE_HEIGHT)
        heights[one.reader] = last
    return heights


def _across(value: float | None) -> float:
    return SIDE * (value or 0)


def _up(value: float | None) -> float:
    return SIDE * (1 - (value or 0))


def _point(one: Detection, excluded: bool, name_at: float) -> str:
    wrong, right = one.false_rejects, one.sensitivity
    x, y = _across(wrong.value), _up(right.value)
    is_far = x > 0.7 * SIDE
    told = f"{one.reader}: {100 * (right.value or 0):.0f} % found, {100 * (wrong.value or 0):.0f} % real rejected"
    return (
        f'<g class="{"r-out" if excluded else ""}"><title>{escape(told)}</title>'
        f'<line class="r-cross" x1="{_across(wrong.low):.1f}" x2="{_across(wrong.high):.1f}" '
        f'y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<line class="r-cross" x1="{x:.1f}" x2="{x:.1f}" y1="{_up(right.low):.1f}" y2="{_up(right.high):.1f}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>'
        f'<text class="r-name" x="{x + (-11 if is_far else 11):.1f}" y="{name_at:.1f}" '
        f'text-anchor="{"end" if is_far else "start"}">{escape(one.reader)}</text></g>'
    )


def rules_table(study: ReaderStudy) -> str:
    """Every rule held against every reader: what was found, and whether it excludes."""
    if not study.judged:
        return '<p class="r-soft">No rule was fixed beforehand, so nobody is excluded.</p>'
    lines = "".join(_rule(line.reader, line.rule, line.found, line.excluded) for line in study.judged)
    return f'<table class="r-table r-rules">{lines}</table>'


def _rule(reader: str, rule: str, found: Estimate, excluded: bool | None) -> str:
    word = "not judged yet" if excluded is None else "excluded" if excluded else "stays"
    number = "" if found.value is None else f"{found.value:.2f}<small>n {found.n}</small>"
    return (
        f"<tr><th>{escape(reader)}<small>{escape(rule)}</small></th>"
        f'<td class="r-number">{number}</td><td data-out="{"yes" if excluded else "no"}">{word}</td></tr>'
    )
