"""Result figures equal rows counted by hand, on both databases."""

import pytest
from sqlalchemy import select

from curation.database import Database
from curation.provenance.public_web import BACKBONE_SAW, OVERLAP
from curation.provenance.seen import PUBLIC_WEB
from curation.reading.claims import claim
from curation.reading.record import record_reading
from curation.tables.generation import Batch, ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.people import Consent, Reader, ReaderKind
from curation.tables.reading import Assignment, Verdict, Worklist, WorklistItem, WorklistKind
from review_ui.figures.acceptance import acceptance
from review_ui.figures.readings import candidates_of, readings_of
from review_ui.figures.reasons import reasons_by_class, recent_rejects
from review_ui.figures.results import result_figures
from review_ui.figures.screening import EVERY_CHECK, screened_with, screening_against_readers
from review_ui.figures.timing import median_interval, time_by_reader, time_histogram
from tests.curation.reading_room import CHAIN, NOON, reading_room, verdict

SAID = [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.REJECT, Verdict.UNSURE, Verdict.REJECT, Verdict.ACCEPT]


def read_six(database: Database) -> tuple[int, int, list[int]]:
    """One reader reads six of eight images, the last of them in the grid; worklist, reader, images in that order."""
    worklist_id, (reader_id,) = reading_room(database, 8, 1)
    with database.write() as session:
        session.scalars(select(Batch)).one().request = {"guidance_scale": 2.0, "num_inference_steps": 12}
        held = claim(session, NOON, reader_id, worklist_id, 6)
        images = [
            session.scalars(select(WorklistItem.image_id).join(Assignment).where(Assignment.key == entry.key)).one()
            for entry in held
        ]
        for number, (entry, said) in enumerate(zip(held, SAID, strict=True)):
            fields = {"elapsed_ms": 1000 * (number + 2), "idle_ms": 1000}
            fields |= {"reasons": ("anatomy",)} if said is Verdict.REJECT else {}
            fields |= {"mode": "grid", "page_id": "0" * 32} if number == 5 else {}
            record_reading(session, CHAIN, NOON, reader_id, verdict(entry.key, answer=said, **fields))
    return worklist_id, reader_id, images


def test_acceptance_is_counted_by_setting_and_the_grid_stands_apart(database: Database) -> None:
    worklist_id, _, _ = read_six(database)
    with database.read() as session:
        rows = readings_of(session, worklist_id)
    ((name, guidance),) = acceptance(candidates_of(rows))["guidance"].items()
    assert (name, guidance.hits, guidance.n) == ("2.0", 2, 5)
    assert (guidance.low, guidance.high) == pytest.approx((0.0527, 0.8534), abs=1e-4)
    (in_grid,) = acceptance(candidates_of(rows, grid=True))["batch"].values()
    assert (in_grid.hits, in_grid.n) == (1, 1)
    assert "sampler" not in acceptance(rows)


def test_reasons_are_shares_of_the_readings_of_a_class(database: Database) -> None:
    worklist_id, _, _ = read_six(database)
    with database.read() as session:
        rows = candidates_of(readings_of(session, worklist_id))
    cells = {cell.label: cell.share for cell in reasons_by_class(rows, {"anatomy": "Anatomy implausible"})}
    assert sum(share.hits for share in cells.values()) == 2
    assert sum(share.n for share in cells.values()) == 5
    newest = recent_rejects(rows, "anatomy", 1)
    assert newest == [max((row for row in rows if row.verdict is Verdict.REJECT), key=lambda row: row.id)]


@pytest.mark.slow
def test_times_leave_idle_time_out(database: Database) -> None:
    worklist_id, reader_id, _ = read_six(database)
    with database.read() as session:
        rows = candidates_of(readings_of(session, worklist_id))
    (time,) = time_by_reader(rows)
    assert (time.reader_id, time.n, time.median_s, time.low_s) == (reader_id, 5, 3.0, None)
    assert [count for _, count in time_histogram(rows)][:6] == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(("n", "expected"), [(5, (None, None)), (6, (1, 6)), (10, (2, 9)), (100, (40, 61))])
def test_the_interval_of_a_median_is_that_of_order_statistics(n: int, expected: tuple[int, int]) -> None:
    assert median_interval(range(1, n + 1)) == expected


def test_screening_is_held_against_readers(database: Database) -> None:
    worklist_id, _, images = read_six(database)
    with database.write() as session:
        for screened in session.scalars(select(ScreenedImage).where(ScreenedImage.image_id.in_(images[2:4]))):
            screened.verdict = ScreeningVerdict.FLAG
            key = {"screening_id": screened.screening_id, "image_id": screened.image_id, "name": "noise"}
            session.add(ScreeningCheck(**key, value=1.0, threshold="0.5", verdict=ScreeningVerdict.FLAG))
        for screening in session.scalars(select(Screening)):
            screening.parameters = {**screening.parameters, "backbone": "dinov2-small", BACKBONE_SAW: PUBLIC_WEB}
    with database.read() as session:
        [features] = screened_with(session, worklist_id)
        assert features == f"dinov2-small (public web: {OVERLAP})"
        rows = candidates_of(readings_of(session, worklist_id))
        together, noise = screening_against_readers(session, worklist_id, rows)
    assert together.check == EVERY_CHECK
    assert together.passed is not None
    assert together.flagged is not None
    assert (together.passed.hits, together.passed.n) == (1, 3)
    assert (together.flagged.hits, together.flagged.n) == (1, 2)
    assert noise.passed is None


def test_a_reader_who_withdrew_is_in_no_figure(database: Database) -> None:
    worklist_id, reader_id, _ = read_six(database)
    with database.write() as session:
        session.get_one(Reader, reader_id)
        session.add(
            Consent(reader_id=reader_id, version="1", experience={}, display={}, agreed_at=NOON, withdrawn_at=NOON)
        )
    with database.read() as session:
        assert readings_of(session, worklist_id) == []


def test_a_turing_test_rejects_nothing(database: Database) -> None:
    worklist_id, _, _ = read_six(database)
    with database.read() as session:
        worklist = session.get_one(Worklist, worklist_id)
        of_verdicts = result_figures(session, worklist, ReaderKind.HUMAN)
    assert of_verdicts.rejects
    assert of_verdicts.reasons
    assert of_verdicts.screening
    with database.write() as session:
        worklist = session.get_one(Worklist, worklist_id)
        worklist.kind = WorklistKind.TURING
        figures = result_figures(session, worklist, ReaderKind.HUMAN)
    assert not figures.rejects
    assert not figures.reasons
    assert not figures.screening
    assert figures.accepted
