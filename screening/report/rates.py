"""Measured error rates of the checks as rows, for commands, exports and pages."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.images import BuildStatus
from curation.tables.measures import CheckReport
from curation.withdrawal.affected_results import WithdrawnSubjects, check_reports_on

KIND = "checks"


@dataclass(frozen=True, slots=True)
class Rate:
    """Images of `n` that were flagged or blocked, with the exact 95 % interval, and by which check."""

    group: str  # `untouched`, `planted`, `wrong label` or `repeat`
    name: str
    n: int
    caught: int
    low: float
    high: float
    blocked: int
    by_check: dict[str, int]

    @property
    def share(self) -> float:
        """Caught by n; 0 when nothing was measured."""
        return self.caught / self.n if self.n else 0.0


def newest_report(session: Session, kind: str = KIND) -> CheckReport | None:
    """The newest measurement of this kind."""
    query = select(CheckReport).where(CheckReport.kind == kind, CheckReport.status == BuildStatus.READY)
    return session.scalars(query.order_by(CheckReport.id.desc()).limit(1)).first()


def withdrawn_behind(session: Session, report: CheckReport | None) -> int:
    """Count the withdrawn subjects that a report rests on."""
    return 0 if report is None else check_reports_on(session, WithdrawnSubjects.recorded()).get(report.id, 0)


def list_reports(session: Session) -> list[CheckReport]:
    """Every report of error rates, the newest first."""
    ready = select(CheckReport).where(CheckReport.status == BuildStatus.READY)
    return list(session.scalars(ready.order_by(CheckReport.id.desc())))


def rates_of(result: dict[str, Any]) -> list[Rate]:
    """Every row of a `checks` report, untouched images first."""
    untouched, repeats = result["untouched"], result["repeats"]
    return [
        _rate("untouched", "all classes", untouched),
        *(_rate("untouched", label, counts) for label, counts in untouched["by_class"].items()),
        *(_rate("planted", counts["name"], counts) for counts in result["planted"]),
        *(_rate("wrong label", f"{row['true']} asked for as {row['asked']}", row) for row in result["wrong_label"]),
        *(_rate("repeat", name, counts) for name, counts in repeats["repeats"].items()),
        _rate("repeat", "different people", repeats["different people"]),
    ]


def checks_of(result: dict[str, Any]) -> list[str]:
    """The names of the checks that were measured."""
    return list(result["untouched"]["by_check"])


def _rate(group: str, name: str, counts: dict[str, Any]) -> Rate:
    low, high = counts["caught_95"]
    by_check = {check: int(of_check["caught"]) for check, of_check in counts.get("by_check", {}).items()}
    return Rate(group, name, counts["n"], counts["caught"], low, high, counts["blocked"], by_check)
