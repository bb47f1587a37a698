"""Readings for statistics, without a database."""

from datetime import UTC, datetime, timedelta

from curation.reader_study.table import StudyRow, StudyTable
from curation.tables.reading import AssignmentPurpose, Purpose, Verdict

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ACCEPT, REJECT, UNSURE = Verdict.ACCEPT, Verdict.REJECT, Verdict.UNSURE


def row(number: int, verdict: Verdict, item: int | None = None, **changes: object) -> StudyRow:
    """One reading of a candidate, twenty seconds after the one before, unless `changes` say otherwise."""
    item_id = number if item is None else item
    fields: dict[str, object] = {
        "reading_id": number,
        "reader_id": 1,
        "reader": "ada",
        "item_id": item_id,
        "image_id": item_id,
        "batch_id": 1,
        "purpose": Purpose.CANDIDATE,
        "truth": None,
        "asked": "a",
        "given_as": AssignmentPurpose.FIRST,
        "verdict": verdict,
        "reasons": (),
        "corrected_label": None,
        "mode": "single",
        "after_reveal": False,
        "confidence": None,
        "elapsed_ms": 2_000,
        "sequence": number,
        "read_at": NOON + timedelta(seconds=20 * number),
    }
    return StudyRow(**{**fields, **changes})  # type: ignore[arg-type]


def table(*rows: StudyRow) -> StudyTable:
    """A table of these readings."""
    return StudyTable(rows, withdrawn=0)


def controls(hits: int, defects: int, alarms: int, reals: int, **changes: object) -> list[StudyRow]:
    """So many defects, `hits` of them rejected, then so many real images, `alarms` of them rejected."""
    verdicts = [REJECT] * hits + [ACCEPT] * (defects - hits) + [REJECT] * alarms + [ACCEPT] * (reals - alarms)
    kinds = [(Purpose.DEFECT_CONTROL, "ghosting")] * defects + [(Purpose.REAL_CONTROL, "a")] * reals
    return [
        row(number, verdict, purpose=purpose, truth=truth, asked=None, **changes)
        for number, (verdict, (purpose, truth)) in enumerate(zip(verdicts, kinds, strict=True), 1)
    ]
