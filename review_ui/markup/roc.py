"""Readers on images of known truth: a plot in ROC space, and the exclusion rules."""

from html import escape

from curation.estimates import Estimate
from curation.reader_study.detection import Detection
from curation.reader_study.exclusion import AppliedRule
from curation.reader_study.report import ReaderStudy

LINE_HEIGHT = 5.5  # of a name, in percent of the plot's height
FAR = 70  # beyond it a name stands to the left of its point
AXES = (
    "".join(
        f'<i class="r-x" style="left:{tick}%">{tick}</i><i class="r-y" style="bottom:{tick}%">{tick}</i>'
        for tick in (0, 25, 50, 75, 100)
    )
    + '<em class="r-x">Real images rejected, %</em><em class="r-y">Defects found, %</em>'
)


def detection_plot(study: ReaderStudy, tables: str) -> str:
    """The plot with a point per reader, beside `tables` of d' and criterion."""
    rows = [row for row in study.detections if _has_interval(row.false_rejects) and _has_interval(row.sensitivity)]
    if not rows:
        words = "A point needs at least ten planted defects and ten real images read blind by one reader."
        return f'<p class="r-soft">{words}</p>'
    names = _name_heights(rows)
    points = "".join(_point(row, row.reader in study.excluded, names[row.reader]) for row in rows)
    label = f"ROC space: {len(rows)} readers, real images rejected across, defects found upwards"
    plot = f'<div class="r-space" role="img" aria-label="{label}">{AXES}{points}</div>'
    return f'<div class="r-roc">{plot}<div class="r-stack">{tables}</div></div>'


def _has_interval(estimate: Estimate) -> bool:
    return None not in (estimate.value, estimate.low, estimate.high)


def _name_heights(detections: list[Detection]) -> dict[str, float]:
    """The height of each name from the top in percent, so that no two overlap."""
    heights: dict[str, float] = {}
    last = -2 * LINE_HEIGHT
    for detection in sorted(detections, key=lambda detection: -(detection.sensitivity.value or 0)):
        last = max(100 * (1 - (detection.sensitivity.value or 0)) - 6, last + LINE_HEIGHT)
        heights[detection.reader] = last
    return heights


def _point(detection: Detection, excluded: bool, name_at: float) -> str:
    x, y = 100 * (detection.false_rejects.value or 0), 100 * (detection.sensitivity.value or 0)
    left, right = 100 * (detection.false_rejects.low or 0), 100 * (detection.false_rejects.high or 0)
    low, high = 100 * (detection.sensitivity.low or 0), 100 * (detection.sensitivity.high or 0)
    side = f"right:{100 - x:.2f}%" if x > FAR else f"left:{x:.2f}%"
    summary = escape(f"{detection.reader}: {y:.0f} % found, {x:.0f} % real rejected")
    return (
        f'<div class="{"r-out" if excluded else "r-in"}" title="{summary}">'
        f'<u class="r-across" style="left:{left:.2f}%;width:{right - left:.2f}%;bottom:{y:.2f}%"></u>'
        f'<u class="r-upwards" style="left:{x:.2f}%;bottom:{low:.2f}%;height:{high - low:.2f}%"></u>'
        f'<b style="left:{x:.2f}%;bottom:{y:.2f}%"></b>'
        f'<span style="{side};top:{name_at:.2f}%">{escape(detection.reader)}</span></div>'
    )


def rules_table(study: ReaderStudy) -> str:
    """Readers by exclusion rules: the value found, and whether it excludes."""
    if not study.judged:
        return '<p class="r-soft">No rule was fixed beforehand, so nobody is excluded.</p>'
    rules = list(dict.fromkeys(line.rule for line in study.judged))
    by_reader: dict[str, dict[str, AppliedRule]] = {}
    for line in study.judged:
        by_reader.setdefault(line.reader, {})[line.rule] = line
    head = "".join(f"<th>{escape(rule[:1].upper() + rule[1:])}</th>" for rule in rules)
    body = "".join(
        f"<tr><th>{escape(reader)}<small>{'excluded' if reader in study.excluded else 'stays'}</small></th>"
        f"{''.join(_judged(lines[rule]) for rule in rules)}</tr>"
        for reader, lines in by_reader.items()
    )
    return f'<table class="r-table r-rules"><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _judged(line: AppliedRule) -> str:
    if line.excluded is None or line.found.value is None:
        return f'<td class="r-number r-soft">not judged yet<small>n {line.found.n}</small></td>'
    word = "excludes" if line.excluded else "holds"
    return (
        f'<td class="r-number" data-out="{"yes" if line.excluded else "no"}">{line.found.value:.2f}'
        f"<small>{word}, n\u00a0{line.found.n}</small></td>"
    )
