"""Which columns of a row the digest in its event covers, and which it leaves out and why.

Values that are NULL are left out of a digest, so a column that a later schema adds changes no digest of earlier rows.
Error rates, measurements, lists of pairs and judgements keep the plain digests that they have had from the first.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from curation.digests import canonical_json, digest_of
from curation.tables.base import Base
from curation.tables.generation import Batch, Generator, Screening
from curation.tables.images import Image, Import
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair, PairList, PairReading
from curation.tables.people import Consent, Reader, SignIn
from curation.tables.reading import Assignment, Reading, Worklist, WorklistItem
from curation.tables.training import AddedBackbone, Evaluation, Run, Snapshot, SnapshotItem, Study
from curation.tables.withdrawals import Withdrawal

Values: TypeAlias = dict[str, Any]

CONTENT = "content"

IMPORT = ("source", "source_digest", "status", "subjects_known", "notice", "report", "created_at")
GENERATOR = ("name", "directory", "weights_digest", "card", "created_at")
BATCH = ("generator_id", "request", "request_digest", "size", "status", "created_at")
SCREENING = ("batch_id", "parameters", "parameters_digest", "status", "created_at")
READER = ("name", "kind", "role", "password_hash", "oidc_subject", "must_change_password", "active", "created_at")
SIGN_IN = ("reader_id", "token_sha256", "csrf_token", "created_at", "expires_at")
CONSENT = ("reader_id", "version", "experience", "display", "agreed_at", "withdrawn_at")
WORKLIST = (
    *("name", "kind", "practice_for_id", "status", "question", "label_shown", "readers_per_image", "rule", "classes"),
    *("reasons", "recipe", "notice", "size", "controls", "paused_at", "closed_at", "created_at"),
)
ITEM = ("image_id", "purpose", "truth", "shown_label", "position", "priority")
READING = (
    *("op_id", "assignment_id", "item_id", "reader_id", "voids_id", "verdict", "corrected_label", "reasons", "comment"),
    *("mode", "page_id", "ratings", "mark", "confidence", "after_reveal", "elapsed_ms", "idle_ms", "read_at"),
    "created_at",
)
ASSIGNMENT = ("worklist_id", "slot", "purpose")  # of what a reading answers; leases are work under way
SNAPSHOT = (
    *("name", "directory", "digest", "recipe", "status", "counts", "reading_ids", "outcomes_digest", "created_at"),
)
SNAPSHOT_ITEM = ("copy", "split", "label", "weight", "why")
BACKBONE = ("name", "kind", "directory", "digest", "card", "created_at")
RUN = ("name", "snapshot_id", "config", "config_digest", "directory", "status", "metrics", "created_at")
EVALUATION = ("run_id", "split", "metrics", "created_at")
STUDY = ("name", "plan", "plan_digest", "directory", "status", "result", "created_at")
WITHDRAWAL = ("subject_id", "reason", "plan", "created_at")
IMAGE = (
    *("origin", "import_id", "subject_id", "batch_id", "batch_index", "altered_from_id", "alteration", "file_sha256"),
    *("pixel_sha256", "height", "width", "channels", "bits", "spacing_row_mm", "spacing_column_mm", "rescale_slope"),
    *("rescale_intercept", "signed_offset", "value_unit", "modality", "created_at"),
)
# What a withdrawal clears of an image; its event keeps the digest of what was there.
IMAGE_FACTS = ("source_file", "window_center", "window_width", "frame", "affine", "covariates", "withdrawn_at")
SUBJECT = ("key", "split", "known")

COLUMNS: dict[type[Base], tuple[str, ...]] = {
    Import: IMPORT,
    Generator: GENERATOR,
    Batch: BATCH,
    Screening: SCREENING,
    Reader: READER,
    SignIn: SIGN_IN,
    Consent: CONSENT,
    Worklist: WORKLIST,
    WorklistItem: ITEM,
    Reading: READING,
    Assignment: ASSIGNMENT,
    Snapshot: SNAPSHOT,
    SnapshotItem: SNAPSHOT_ITEM,
    AddedBackbone: BACKBONE,
    Run: RUN,
    Evaluation: EVALUATION,
    Study: STUDY,
    Withdrawal: WITHDRAWAL,
    Image: (*IMAGE, *IMAGE_FACTS),
}


def values_of(names: tuple[str, ...], row: Any) -> Values:
    """Give the named values of a row as JSON, those that are NULL left out."""
    return json_values(names, [getattr(row, name) for name in names])


def json_values(names: Iterable[str], values: Iterable[Any]) -> Values:
    """Give named values as JSON, those that are NULL left out."""
    return {
        name: _time(value) if isinstance(value, datetime) else value
        for name, value in zip(names, values, strict=False)
        if value is not None
    }


def reading_values(reading: Any, assignment: Any) -> Values:
    """Give what the event of a reading covers: the reading, and what kind of slot it answers."""
    return values_of(READING, reading) | values_of(ASSIGNMENT, assignment)


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
