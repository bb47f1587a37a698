"""Plan to measure and judge again what rests on a withdrawn subject, with the same options."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import PairList
from curation.withdrawal.affected_results import WithdrawnSubjects, check_reports_on, measurements_on, pair_lists_on
from curation.withdrawal.plan_step import PlannedCommand, RebuildStep

STAYS = "what is stored counts the subject, stays, and says so"
ROUND_TRIP = re.compile(r"(?P<generator>.+), weights [0-9a-f]{12}")


def remeasuring_steps(
    session: Session, withdrawn: WithdrawnSubjects, names: Mapping[str, str], suffix: str
) -> Iterator[RebuildStep]:
    """Plan error rates, measures of sets and lists of pairs again, oldest first; `names` gives the new names."""
    for report in _by_age(session, CheckReport, check_reports_on(session, withdrawn)):
        of = f"error rates of {report.kind}, report {report.id}"
        note = f"features of {report.parameters['backbone']}; {STAYS}"
        yield RebuildStep(of, _measure_error_rates(report, names), note)
    for measurement in _by_age(session, SetMeasurement, measurements_on(session, withdrawn)):
        request = measurement.request
        redrawn = [str(batch) for batch in request["batches"] if str(batch) in names]
        replaced = f"in place of batch {', '.join(redrawn)} what was drawn again; " if redrawn else ""
        note = f"{replaced}features of {request['backbone']}; {STAYS}"
        yield RebuildStep(f"measurement {measurement.id}", _measure_set(request, names), note)
    for pair_list in _by_age(session, PairList, pair_lists_on(session, withdrawn)):
        note = "after the screening above; then it is judged again. Old judgements stay."
        yield RebuildStep(f"pairs {pair_list.name}", _create_pairs(pair_list, suffix), note)


def _by_age(session: Session, table: Any, ids: Iterable[int]) -> Any:
    return session.scalars(select(table).where(table.id.in_(list(ids))).order_by(table.id)).all()


def _options(values: Mapping[str, Any], *names: str) -> dict[str, object]:
    return {name: values.get(name) for name in names}


def _measure_error_rates(report: CheckReport, names: Mapping[str, str]) -> PlannedCommand:
    parameters = report.parameters
    if report.kind == "checks":
        return PlannedCommand("screening error-rates", options=_options(parameters, "images", "seed"))
    round_trip = ROUND_TRIP.fullmatch(parameters["autoencoder"])
    generator = names.get(round_trip["generator"], round_trip["generator"]) if round_trip else None
    options = _options(parameters["plan"], "copies", "seed") | {"generator": generator}
    return PlannedCommand("privacy error-rates", options=options)


def _measure_set(request: Mapping[str, Any], names: Mapping[str, str]) -> PlannedCommand:
    snapshot = request["snapshot"]
    images = {"snapshot": names.get(snapshot, snapshot)} if snapshot else {"images": request["images"]}
    worklists = [names.get(worklist, worklist) for worklist in request["worklists"]]
    options = {**images, "worklist": worklists, "batch": request["batches"]}
    return PlannedCommand("measure run", options=options | _options(request, "n", "resamples", "seed"))


def _create_pairs(pair_list: PairList, suffix: str) -> PlannedCommand:
    options = _options(pair_list.recipe, "suspects", "same", "different", "seed")
    return PlannedCommand("pairs create", (f"{pair_list.name}{suffix}",), options)
