"""What a screening found and what its checks are worth as tables of plain values: the CSV exports."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.provenance.public_web import describe_backbone, saw_public_web
from curation.tables.images import BuildStatus
from curation.tables.measures import CheckReport
from screening.report.figures import ScreeningFigures, screening_figures
from screening.report.rates import KIND, rates_of, withdrawn_behind

Cell = str | int | float | None
Table = tuple[tuple[str, ...], list[tuple[Cell, ...]]]


def screening_table(session: Session, screening_id: int, figure: str) -> Table:
    """`verdicts`, `checks` or `distributions` of one screening; raises NotFound."""
    if figure not in FIGURES:
        raise NotFound(f"there is no figure {figure!r}: expected one of {', '.join(FIGURES)}.")
    return FIGURES[figure](screening_figures(session, screening_id))


def error_rate_table(session: Session, report_id: int) -> Table:
    """Every rate of one `checks` report, first all checks together and then each alone; raises NotFound."""
    report = session.get(CheckReport, report_id)
    if report is None or report.kind != KIND or report.status is not BuildStatus.READY:
        raise NotFound(f"there is no measurement {report_id} of the checks. `rounds screening error-rates` makes one.")
    header = ("images", "what", "check", "caught", "blocked", "n", "low_95", "high_95")
    rows: list[tuple[Cell, ...]] = []
    for rate in rates_of(report.result):
        rows.append((rate.group, rate.name, "all together", rate.caught, rate.blocked, rate.n, rate.low, rate.high))
        rows += [
            (rate.group, rate.name, check, caught, None, rate.n, None, None) for check, caught in rate.by_check.items()
        ]
    if saw_public_web(report.parameters):
        rows.append(("notice", "features", describe_backbone(report.parameters), *[None] * 5))
    withdrawn = withdrawn_behind(session, report)
    if withdrawn:
        rows.append(("notice", "withdrawn subjects it rests on", "", None, None, withdrawn, None, None))
    return header, rows


def _verdicts(figures: ScreeningFigures) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (label, counts["pass"], counts["flag"], counts["block"]) for label, counts in figures.by_class.items()
    ]
    return ("class", "pass", "flag", "block"), rows


def _checks(figures: ScreeningFigures) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            check.name,
            check.n,
            check.flagged,
            check.blocked,
            check.not_set,
            "; ".join(f"{kind} {at:.6g}" for at, kind in check.lines),
        )
        for check in figures.checks
    ]
    return ("check", "n", "flagged", "blocked", "not_set", "thresholds"), rows


def _distributions(figures: ScreeningFigures) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for check in figures.checks:
        width = (check.right - check.left) / len(check.bins)
        for place, part in enumerate(check.bins):
            ends = check.left + width * place, check.left + width * (place + 1)
            rows.append((check.name, *ends, round(part.drawn, 6), round(part.real, 6)))
    return ("check", "from", "to", "share_of_batch", "share_of_real"), rows


FIGURES: dict[str, Callable[[ScreeningFigures], Table]] = {
    "verdicts": _verdicts,
    "checks": _checks,
    "distributions": _distributions,
}
