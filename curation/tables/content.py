"""The digest of a row that its event keeps."""

import json
from datetime import UTC, datetime
from typing import Any

from curation.digests import canonical_json, digest_of
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair, PairList, PairReading

CONTENT = "content"


def report_content(report: CheckReport) -> str:
    """The digest of everything a report of error rates says."""
    asked = [report.kind, report.parameters, report.parameters_digest]
    return _as_stored([*asked, report.status, report.result, _time(report.created_at)])


def measurement_content(measurement: SetMeasurement) -> str:
    """The digest of everything a measurement of a set says."""
    asked = [measurement.request, measurement.request_digest]
    return _as_stored([*asked, measurement.status, measurement.result, _time(measurement.created_at)])


def pairs_content(listed: PairList, pairs: list[Pair]) -> str:
    """The digest of a list and of its pairs; closing the list does not change it."""
    rows = sorted([one.position, one.key, one.truth, one.first_image_id, one.second_image_id] for one in pairs)
    return _as_stored([listed.name, listed.recipe, listed.status, listed.size, _time(listed.created_at), rows])


def judgement_content(said: PairReading) -> str:
    """The digest of one judgement, or of the taking back of one."""
    times = [_time(said.read_at), _time(said.created_at)]
    return _as_stored([said.op_id, said.pair_id, said.reader_id, said.voids_id, said.verdict, said.elapsed_ms, *times])


def _as_stored(value: Any) -> str:
    """The digest of `value` as it comes back from a JSON column: keys are texts there, tuples lists."""
    return digest_of(json.loads(canonical_json(value)))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
