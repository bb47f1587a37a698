"""What a reader may add to a verdict, and the ways of reading beside the plain one."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from curation.ingest.virtual_brains.render import render
from curation.tables.images import ImageLabel, Origin, Split, Subject
from curation.tables.people import Role
from curation.tables.reading import Assignment, Reading, Verdict
from tests.e2e.conftest import Room, shown_key, sign_in, sign_in_anywhere, wait_until_saved
from tests.rows import add_image, add_import, label_id

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


def rows(room: Room, worklist_id: int, count: int) -> list[Reading]:
    """The readings of a worklist, oldest first, once there are `count` verdicts."""
    room.wait_for_readings(worklist_id, count)
    query = (
        select(Reading)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .where(Assignment.worklist_id == worklist_id)
        .order_by(Reading.id)
    )
    with room.project.database.read() as session:
        return list(session.scalars(query))


@pytest.fixture(scope="module")
def study(room: Room) -> Room:
    """The session's project with eight real validation images and eight real training images of the same size."""
    project = room.project
    with project.database.write() as session:
        source = add_import(session, "viewer")
        for number in range(5000, 5016):
            rendered = render(number)
            split = Split.TRAIN if number % 2 else Split.VALIDATION
            subject = Subject(key=f"viewer {number}", split=split, known=True)
            session.add(subject)
            session.flush()
            known = {"import_id": source.id, "subject_id": subject.id}
            image = add_image(project, session, rendered.pixels[:, :, None], origin=Origin.REAL, **known)
            named = label_id(session, rendered.label)
            session.add(ImageLabel(image_id=image.id, label_id=named, source="import", value=1.0))
    return room


def press(page: Page, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        page.keyboard.press(key)


def test_another_class_a_comment_ratings_and_a_place_go_with_the_verdict(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(ratings=True)
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    press(page, "l", "2", "q", "5", "4", "3", "h", "ArrowLeft", "Shift+ArrowUp", "Enter", "m")
    page.keyboard.type("a ring, crisp")
    press(page, "Enter", "a", "x")
    first, second = rows(room, worklist_id, 2)
    assert (first.verdict, first.corrected_label, first.comment) == (Verdict.ACCEPT, "ring_lesion", "a ring, crisp")
    assert first.ratings == {"anatomy": 5, "typicality": 4, "quality": 3}
    assert first.mark is not None
    assert (first.mark["kind"], first.mark["x"], first.mark["y"]) == ("point", 31, 22)
    assert (second.corrected_label, second.comment, second.ratings, second.mark) == (None, None, None, None)


def test_a_box_dragged_on_the_image_is_kept_in_stored_pixels(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.keyboard.press("h")
    box = page.locator(".stage canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    scale = min(box["width"], box["height"]) * 0.97 / 64
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10 * scale, y + 5 * scale)
    page.mouse.up()
    page.keyboard.press("x")
    (reading,) = rows(room, worklist_id, 1)
    assert reading.mark is not None
    assert reading.mark["kind"] == "box"
    box = [reading.mark[name] for name in ("x", "y", "width", "height")]
    assert box == pytest.approx([32, 32, 10, 5], abs=0.3)


def test_a_turing_test_asks_for_six_steps_and_takes_no_other_verdict(study: Room, new_context: NewContext) -> None:
    worklist_id = study.worklist(kind="turing", label_shown=False, real_controls=4)
    page = new_context().new_page()
    sign_in(page, study, study.reader())
    expect(page.locator(".verdicts")).to_be_hidden()
    press(page, "a", "x", "s", "7", "1", "4", "6")
    readings = rows(study, worklist_id, 3)
    assert [(reading.confidence, reading.verdict) for reading in readings] == [
        (1, Verdict.REJECT),
        (4, Verdict.ACCEPT),
        (6, Verdict.ACCEPT),
    ]


def test_label_blind_a_digit_alone_is_no_verdict(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(label_shown=False)
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    key = shown_key(page)
    press(page, "2", "x", "Escape", "3")
    assert shown_key(page) == key
    press(page, "x", "3", "x", "x")
    readings = room.wait_for_readings(worklist_id, 2)
    assert [reading.reasons for reading in readings] == [("lesion",), ()]


def test_the_view_is_kept_from_image_to_image_and_over_a_reload(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    window, zoom = page.locator("[data-slot=window]"), page.locator("[data-slot=zoom]")
    assert window.inner_text().endswith("As stored")
    press(page, "w", "i", "+", "+", "ArrowLeft", "a")
    changed, closer = window.inner_text(), zoom.inner_text()
    assert "Middle 99 %" in changed
    page.wait_for_timeout(400)
    page.reload()
    page.wait_for_selector(".room[data-state=reading]")
    assert (window.inner_text(), zoom.inner_text()) == (changed, closer)
    press(page, "Shift+W", "i", "0")
    assert "As stored" in window.inner_text()
    assert zoom.inner_text() != closer


def test_what_was_read_is_looked_at_again_and_not_read_again(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    press(page, "2", "a")
    page.locator("[data-slot=strip] button").last.click()
    expect(page.locator("[data-slot=looking]")).to_contain_text("Rejected, Hemispheres or ventricles wrong")
    press(page, "a", "x", "Escape", "s")
    readings = room.wait_for_readings(worklist_id, 3)
    assert [reading.verdict for reading in readings] == [Verdict.REJECT, Verdict.ACCEPT, Verdict.UNSURE]


def test_a_second_tab_warns_and_neither_reads_what_the_other_has_read(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    context = new_context()
    first, name = context.new_page(), room.reader()
    sign_in(first, room, name)
    second = context.new_page()
    second.goto(room.server.url)
    second.wait_for_selector(".room[data-state=reading]")
    for page in (first, second):
        expect(page.locator("[data-slot=other-tab]")).to_contain_text("Another tab")
    keys = []
    for page in (first, second, first, second):
        unread = "".join(f":not([data-shown='{key}'])" for key in keys)
        page.locator(f".room[data-state=reading]{unread}").wait_for()
        keys.append(shown_key(page))
        page.keyboard.press("a")
    assert len(set(keys)) == 4
    assert {reading.key for reading in room.wait_for_readings(worklist_id, 4)} == set(keys)
    wait_until_saved(first)
    second.close()
    expect(first.locator("[data-slot=other-tab]")).to_be_hidden()


def test_without_consent_the_way_to_it_is_shown(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(consent=False))
    page.wait_for_url("**/rounds/welcome")


def test_practice_says_what_was_right_and_then_reading_begins(study: Room, new_context: NewContext) -> None:
    study.close_worklists()
    worklist_id = study.worklist(practice=1)
    page = new_context().new_page()
    sign_in_anywhere(page, study, study.reader())
    page.wait_for_selector(".room[data-state=reading][data-kind=practice]")
    expect(page.locator("[data-slot=before]")).to_contain_text("nothing here counts")
    key = shown_key(page)
    page.keyboard.press("x")
    feedback = page.locator("[data-slot=telling]")
    expect(feedback).to_contain_text("Not so")
    expect(feedback).to_contain_text("A real image")
    page.keyboard.press("a")
    assert shown_key(page) == key
    page.keyboard.press("Space")
    expect(page.locator("[data-slot=blank]")).to_contain_text("Practice is over")
    page.locator("[data-slot=blank] button").click()
    page.wait_for_selector(".room[data-state=reading][data-kind=verdict]")
    page.keyboard.press("a")
    study.wait_for_readings(worklist_id, 1)
    expect(feedback).to_be_hidden()


def test_an_adjudicator_says_first_and_then_sees_what_the_others_said(room: Room, new_context: NewContext) -> None:
    room.close_worklists()
    worklist_id = room.worklist(readers_per_image=2, rule="adjudicated", limit=1, grid=False)
    for keys in (["a"], ["2"]):
        page = new_context().new_page()
        sign_in_anywhere(page, room, room.reader())
        page.wait_for_selector(".room[data-state=reading]")
        press(page, *keys)
        wait_until_saved(page)
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(Role.ADJUDICATOR))
    page.wait_for_selector(".room")
    page.locator("[data-slot=worklists]").select_option(label=f"reading-{room.made - 3}, to adjudicate")
    page.wait_for_selector(".room[data-state=reading][data-mode=adjudicate]")
    expect(page.locator("[data-slot=telling]")).to_be_hidden()
    page.keyboard.press("a")
    feedback = page.locator("[data-slot=telling]")
    expect(feedback).to_contain_text("Rejected, Hemispheres or ventricles wrong")
    expect(feedback.locator("li")).to_have_count(2)
    page.keyboard.press("x")
    readings = rows(room, worklist_id, 4)
    assert [(reading.verdict, reading.after_reveal) for reading in readings[2:]] == [
        (Verdict.ACCEPT, False),
        (Verdict.REJECT, True),
    ]
    expect(page.locator("[data-slot=blank]")).to_contain_text("All read")


def test_a_break_is_offered_after_half_an_hour_and_absence_is_not_reading_time(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist()
    page = new_context(fresh=True).new_page()
    page.clock.install()
    sign_in_anywhere(page, room, room.reader())
    page.wait_for_selector(".room[data-state=reading]")
    page.clock.fast_forward(5 * 60_000)
    page.keyboard.press("a")
    (away,) = rows(room, worklist_id, 1)
    assert away.elapsed_ms is not None
    assert 55_000 < away.elapsed_ms < 75_000
    assert away.idle_ms is not None
    assert away.idle_ms > 200_000
    expect(page.locator("[data-slot=rest]")).to_be_hidden()
    page.evaluate("sessionStorage.setItem('rounds-read-ms', 30 * 60 * 1000)")
    page.reload()
    page.wait_for_selector(".room[data-state=reading]")
    expect(page.locator("[data-slot=rest]")).to_be_hidden()
    page.keyboard.press("a")
    expect(page.locator("[data-slot=rest]")).to_contain_text("half an hour")
    page.get_by_role("button", name="Take a break").click()
    expect(page.locator("[data-slot=blank]")).to_contain_text("Paused")
    page.keyboard.press("x")
    page.get_by_role("button", name="Go on reading").click()
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("s")
    verdicts = [reading.verdict for reading in room.wait_for_readings(worklist_id, 3)]
    assert verdicts == [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.UNSURE]
