"""The overview's numbers: undone readings do not count, proxies stand apart, readers see their own."""

import numpy as np
import pytest
from sqlalchemy import select

from curation.project import Project
from curation.readers.accounts import add_reader
from curation.reading.claims import claim
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.record import new_op_id, record_reading, void_reading
from curation.reading.request import ReadingRequest
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import ReaderCursor, Verdict, Worklist
from review_ui.figures.batches import batch_figures
from review_ui.figures.proportions import ByImage
from review_ui.figures.worklists import worklist_figures
from review_ui.markup.overview import batch_heading, worklist_section
from tests.rows import NOW


def read(project: Project, worklist_id: int, name: str, verdicts: str, **fields: object) -> None:
    """Let `name` say these verdicts: a accept, x reject for anatomy, s unsure, u undo the last."""
    words = {"a": Verdict.ACCEPT, "x": Verdict.REJECT, "s": Verdict.UNSURE}
    last = ""
    with project.database.write() as session:
        reader_id = session.scalars(select(Reader.id).where(Reader.name == name)).one()
        held = claim(session, NOW, reader_id, worklist_id, len(verdicts))
        for letter in verdicts:
            if letter == "u":
                void_reading(session, project.chain, NOW, reader_id, new_op_id(), last)
                continue
            last = new_op_id()
            values = {"op_id": last, "assignment_key": held.pop(0).key, "verdict": words[letter], "read_at": NOW}
            reasons = ("anatomy",) if letter == "x" else ()
            request = ReadingRequest.model_validate({**values, "reasons": reasons, **fields})
            record_reading(session, project.chain, NOW, reader_id, request)


def test_an_undone_reading_does_not_count(project: Project, worklist_id: int) -> None:
    read(project, worklist_id, "ada", "aaxau")
    with project.database.read() as session:
        figures = worklist_figures(session, None)[0]
    assert figures.done == 3
    assert sum(row.n for row in figures.acceptance) == 3
    assert sum(row.accepted for row in figures.acceptance) == 2
    assert figures.reasons == [("Anatomy implausible", 1)]


def test_a_reader_sees_only_their_own(project: Project, worklist_id: int) -> None:
    read(project, worklist_id, "ada", "aaa")
    read(project, worklist_id, "ben", "x")
    with project.database.read() as session:
        ben = session.scalars(select(Reader.id).where(Reader.name == "ben")).one()
        figures = worklist_figures(session, ben)[0]
    assert [(reader.name, reader.readings) for reader in figures.readers] == [("ben", 1)]
    assert (figures.done, figures.acceptance) == (1, [])


def test_a_reader_with_a_share_is_told_of_the_share(project: Project, worklist_id: int) -> None:
    read(project, worklist_id, "ben", "x")
    with project.database.write() as session:
        ben = session.scalars(select(Reader.id).where(Reader.name == "ben")).one()
        session.get_one(ReaderCursor, (ben, worklist_id)).allotted = 3
        worklist = session.get_one(Worklist, worklist_id)
        assert worklist.size > 3 + worklist.controls
        assert worklist_figures(session, ben)[0].slots == 3 + worklist.controls


@pytest.mark.parametrize(
    ("accepted", "n", "low", "high"), [(0, 5, 0.0, 0.522), (5, 10, 0.187, 0.813), (3, 3, 0.292, 1.0)]
)
def test_the_interval_is_exact_where_every_image_was_read_once(accepted: int, n: int, low: float, high: float) -> None:
    counted = ByImage.of([(1, 1)] * accepted + [(1, 0)] * (n - accepted))
    assert counted.interval == pytest.approx((low, high), abs=1e-3)


def test_readers_who_always_agree_are_worth_one_reader() -> None:
    twice = ByImage.of([(2, 2)] * 30 + [(2, 0)] * 20)
    once = ByImage.of([(1, 1)] * 30 + [(1, 0)] * 20)
    assert twice.effective_n == pytest.approx(50, rel=0.06)
    assert twice.interval == pytest.approx(once.interval, abs=0.02)


def test_readers_who_agree_by_chance_are_worth_nearly_both() -> None:
    counted = ByImage.of([(2, 2)] * 25 + [(2, 1)] * 50 + [(2, 0)] * 25)
    assert counted.effective_n == pytest.approx(200, rel=0.03)


@pytest.mark.parametrize("hits", [0, 2])
def test_images_count_once_where_nothing_varies(hits: int) -> None:
    assert ByImage.of([(2, hits)] * 10).effective_n == pytest.approx(10, rel=0.2)


def test_two_readings_of_one_image_are_worth_one() -> None:
    assert ByImage.of([(2, 1)]).effective_n == 1
    low, high = ByImage.of([(2, 1)]).interval
    assert low < 0.02 < 0.98 < high


def test_the_interval_covers_where_images_differ_in_how_often_they_are_accepted() -> None:
    random, covered, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        easy = random.beta(1, 1, 60)  # accepted half the time on average, each image in its own way
        low, high = ByImage.of([(3, int(hits)) for hits in random.binomial(3, easy)]).interval
        covered += low <= 0.5 <= high
    assert covered / runs >= 0.93


def test_names_are_shown_as_text(project: Project, worklist_id: int) -> None:
    with project.database.write() as session:
        add_reader(session, project.chain, NOW, "<b>eve</b>", "a long enough password")
    read(project, worklist_id, "<b>eve</b>", "a")
    with project.database.read() as session:
        html = worklist_section(worklist_figures(session, None)[0], "All readings")
    assert "<b>eve" not in html
    assert "&lt;b&gt;eve" in html


def test_a_batch_shows_its_newest_images_first(project: Project) -> None:
    with project.database.read() as session:
        batch = batch_figures(session, batches=3, previews=5)[0]
    assert (batch.drawn, batch.size, len(batch.newest)) == (12, 12, 5)
    assert "12 of 12 drawn" in batch_heading(batch)


def test_a_proxy_is_marked(project: Project, worklist_id: int) -> None:
    with project.database.write() as session:
        probe = add_reader(session, project.chain, NOW, "probe", None, kind=ReaderKind.PROXY)
        open_proxy_slots(session, probe, worklist_id)
    read(project, worklist_id, "probe", "aa")
    with project.database.read() as session:
        figures = worklist_figures(session, None)[0]
    assert {row.kind for row in figures.acceptance} == {ReaderKind.PROXY}
    assert (figures.done, figures.slots) == (0, 12)
    assert "proxy" in worklist_section(figures, "All readings")
