"""Digests of rows, which the event of a row keeps."""

import json
from datetime import UTC, datetime
from typing import Any

from curation.digests import canonical_json, digest_of
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair, PairList, PairReading

CONTENT = "content"


def report_content(report: CheckReport) -> str:
    """The digest of a report of error rates."""
    asked = [report.kind, report.parameters, report.parameters_digest]
    return _as_stored([*asked, report.status, report.result, _time(report.created_at)])


def measurement_content(measurement: SetMeasurement) -> str:
    """The digest of a measurement of a set."""
    asked = [measurement.request, measurement.request_digest]
    return _as_stored([*asked, measurement.status, measurement.result, _time(measurement.created_at)])


def pairs_content(listed: PairList, pairs: list[Pair]) -> str:
    """The digest of a list and of its pairs; closing the list does not change it."""
    rows = sorted([pair.position, pair.key, pair.truth, pair.first_image_id, pair.second_image_id] for pair in pairs)
    return _as_stored([listed.name, listed.recipe, listed.status, listed.size, _time(listed.created_at), rows])


def judgement_content(reading: PairReading) -> str:
    """The digest of one judgement, or of the taking back of one."""
    times = [_time(reading.read_at), _time(reading.created_at)]
    judged = [reading.op_id, reading.pair_id, reading.reader_id, reading.voids_id, reading.verdict, reading.elapsed_ms]
    return _as_stored([*judged, *times])


def _as_stored(value: Any) -> str:
    """The digest of `value` as a JSON column returns it: keys become texts, tuples become lists."""
    return digest_of(json.loads(canonical_json(value)))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
