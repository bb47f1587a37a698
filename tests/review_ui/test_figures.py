"""The overview's numbers: undone readings do not count, proxies stand apart, readers see their own."""

from sqlalchemy import select

from curation.project import Project
from curation.readers.accounts import add_reader
from curation.reading.claims import claim
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.record import record_reading, void_reading
from curation.reading.request import ReadingRequest
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import ReaderCursor, Verdict, Worklist
from review_ui.figures.batches import batch_figures
from review_ui.figures.worklists import worklist_figures
from review_ui.markup.overview import batch_heading, worklist_section
from tests.operation_ids import new_op_id
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
    assert sum(row.share.n for row in figures.acceptance) == 3
    assert sum(row.share.hits for row in figures.acceptance) == 2
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
