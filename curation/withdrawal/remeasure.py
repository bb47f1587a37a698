"""The steps of a plan that measure and judge anew what rests on a withdrawn subject, each with the options of then."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import PairList
from curation.withdrawal.affected_results import Gone, check_reports_on, measurements_on, pair_lists_on
from curation.withdrawal.plan_step import Step, command_line

STAYS = "what is stored counts the subject, stays, and says so"
ROUND_TRIP = re.compile(r"(?P<generator>.+), weights [0-9a-f]{12}")


def measured_anew(session: Session, gone: Gone, names: Mapping[str, str], suffix: str) -> Iterator[Step]:
    """Error rates, measures of sets and lists of pairs, oldest first; `names` says what is called otherwise now."""
    for report in _rows(session, CheckReport, check_reports_on(session, gone)):
        of = f"error rates of {report.kind}, report {report.id}"
        yield Step(of, _error_rates(report, names), f"features of {report.parameters['backbone']}; {STAYS}")
    for measurement in _rows(session, SetMeasurement, measurements_on(session, gone)):
        request = measurement.request
        redrawn = [str(batch) for batch in request["batches"] if str(batch) in names]
        said = f"in place of batch {', '.join(redrawn)} what was drawn again; " if redrawn else ""
        note = f"{said}features of {request['backbone']}; {STAYS}"
        yield Step(f"measurement {measurement.id}", _measure(request, names), note)
    for listed in _rows(session, PairList, pair_lists_on(session, gone)):
        note = "after the screening above; then it is judged again. Old judgements stay."
        yield Step(f"pairs {listed.name}", _pairs(listed, suffix), note)


def _rows(session: Session, model: Any, ids: Iterable[int]) -> Any:
    return session.scalars(select(model).where(model.id.in_(list(ids))).order_by(model.id)).all()


def _options(values: Mapping[str, Any], names: Iterable[str]) -> list[object]:
    return [word for name in names if values.get(name) is not None for word in (f"--{name}", values[name])]


def _error_rates(report: CheckReport, names: Mapping[str, str]) -> str:
    parameters = report.parameters
    if report.kind == "checks":
        return command_line("rounds", "screening", "error-rates", *_options(parameters, ("images", "seed")))
    words = ["rounds", "privacy", "error-rates", *_options(parameters["plan"], ("copies", "seed"))]
    through = ROUND_TRIP.fullmatch(parameters["autoencoder"])
    words += ["--generator", names.get(through["generator"], through["generator"])] if through else []
    return command_line(*words)


def _measure(request: Mapping[str, Any], names: Mapping[str, str]) -> str:
    words: list[object] = ["rounds", "measure", "run"]
    if request["snapshot"]:
        words += ["--snapshot", names.get(request["snapshot"], request["snapshot"])]
    else:
        words += ["--images", request["images"]]
    for worklist in request["worklists"]:
        words += ["--worklist", names.get(worklist, worklist)]
    for batch in request["batches"]:
        words += ["--batch", batch]
    return command_line(*words, *_options(request, ("n", "resamples", "seed")))


def _pairs(listed: PairList, suffix: str) -> str:
    words = ["rounds", "pairs", "create", f"{listed.name}{suffix}"]
    return command_line(*words, *_options(listed.recipe, ("suspects", "same", "different", "seed")))
