"""The overview's numbers: undone readings do not count, proxies stand apart, readers see their own."""

from sqlalchemy import select

from curation.jobs import cancel, enqueue
from curation.project import Project
from curation.readers.accounts import add_reader
from curation.readers.consent import withdraw_consent
from curation.reading.claims import claim
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.reading.request import ReadingRequest
from curation.reading.slots import make_cursor
from curation.status import project_status
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import ReaderCursor, Verdict, Worklist, WorklistKind
from curation.worklists.create import create_worklist
from review_ui.figures.batches import batch_figures
from review_ui.figures.results import result_figures
from review_ui.figures.worklists import worklist_figures
from review_ui.markup.overview import batch_heading, worklist_section
from tests.operation_ids import new_op_id
from tests.rows import NOW, add_consent


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
        add_reader(session, project.chain, NOW, "<b>eve<b>", "a long enough password")
    read(project, worklist_id, "<b>eve<b>", "a")
    with project.database.read() as session:
        html = worklist_section(worklist_figures(session, None)[0], "All readings")
    assert "<b>eve" not in html
    assert "&lt;b&gt;eve" in html


def test_a_batch_shows_its_newest_images_first(project: Project) -> None:
    with project.database.read() as session:
        batch = batch_figures(session, NOW, batches=3, previews=5)[0]
    assert (batch.drawn, batch.size, len(batch.newest)) == (12, 12, 5)
    assert "12 of 12 drawn" in batch_heading(batch)


def test_a_batch_whose_job_is_cancelled_is_cancelled(project: Project) -> None:
    with project.database.write() as session:
        batch = session.scalars(select(Batch)).one()
        batch.status, key = BuildStatus.BUILDING, f"generate:{batch.id}"
        job = enqueue(session, NOW, "generate", {"batch": batch.id}, dedupe_key=key)
        for state, words in (("queued", "waiting for a worker"), ("cancelled", "cancelled")):
            if state == "cancelled":
                cancel(session, NOW, job.id)
                session.expire_all()
            (figures,) = batch_figures(session, NOW, batches=3, previews=5)
            assert figures.state == state
            assert f"{words}, 12 of 12 drawn" in batch_heading(figures)
            assert [row["status"] for row in project_status(session, project, NOW).batches] == [state]


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


def test_the_overview_and_the_results_count_the_same_readings(project: Project) -> None:
    """An adjudication, a verdict changed after it, and those of a reader who withdrew are no first readings."""
    with project.database.write() as session:
        recipe = WorklistRecipe(name="two-views", readers_per_image=2, rule="adjudicated", repeat_share=0.5, again=True)
        worklist = create_worklist(session, project.chain, NOW, recipe)
        judge = add_reader(session, project.chain, NOW, "judge", "a long enough password")
        eve = add_reader(session, project.chain, NOW, "eve", "a long enough password")
        for reader in (judge, eve):
            add_consent(session, project.chain, reader.id)
        worklist_id, eve_id = worklist.id, eve.id
    read(project, worklist_id, "ada", "axaxaaxa")
    read(project, worklist_id, "ben", "xaxa", mode="grid", page_id="0" * 32)
    read(project, worklist_id, "eve", "xxxxxxxx")
    with project.database.write() as session:
        (disputed, *_) = claim(session, NOW, judge.id, worklist_id, 5, "adjudicate")
        for after_reveal, said in ((False, Verdict.REJECT), (True, Verdict.ACCEPT)):
            values = {"op_id": new_op_id(), "assignment_key": disputed.key, "verdict": said, "read_at": NOW}
            request = ReadingRequest.model_validate({**values, "after_reveal": after_reveal})
            record_reading(session, project.chain, NOW, judge.id, request)
        withdraw_consent(session, project.chain, NOW, eve_id)
    with project.database.read() as session:
        worklist = session.get_one(Worklist, worklist_id)
        overview = worklist_figures(session, None)[0]
        results = result_figures(session, worklist, ReaderKind.HUMAN)
    for is_grid, shares in ((False, results.accepted["class"]), (True, results.accepted_in_grid["class"])):
        assert {row.label: row.share for row in overview.acceptance if row.is_grid is is_grid} == shares
    assert sum(row.share.n for row in overview.acceptance) == 12
    assert dict(overview.reasons) == {"Anatomy implausible": 3}
    assert sum(cell.share.hits for cell in results.reasons) == 3
    assert {row.name: row.readings for row in overview.readers} == {"ada": 8, "eve": 8, "ben": 4, "judge": 1}


def test_progress_is_one_number_on_the_overview_and_in_the_status(project: Project, worklist_id: int) -> None:
    read(project, worklist_id, "ada", "aax")
    with project.database.write() as session:
        made = create_worklist(session, project.chain, NOW, WorklistRecipe(name="second", again=True))
        made.kind = WorklistKind.TURING  # everybody who has begun reads every image
        session.add(make_cursor(session.scalars(select(Reader.id).where(Reader.name == "ben")).one(), made.id))
        session.flush()
        state = {row["worklist"]: row for row in project_status(session, project, NOW).worklists}
        pages = {row.name: row for row in worklist_figures(session, None)}
    assert {name: (row["readings_by_people"], row["readings_wanted"]) for name, row in state.items()} == {
        name: (row.done, row.slots) for name, row in pages.items()
    }
    assert (pages["first"].done, pages["first"].slots, pages["second"].slots) == (3, 12, 12)
