"""A reader at the keyboard: verdicts, reasons, undo, thirty fast presses, a class chosen label-blind."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.tables.reading import Reading, Verdict
from tests.e2e.conftest import Room, shown_key, sign_in, wait_until_loaded, wait_until_saved

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


def test_verdicts_and_reasons_by_keyboard_are_readings_of_what_was_shown(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    keys = []
    for press in ("a", "x", "s", "2"):
        keys.append(shown_key(page))
        page.keyboard.press(press)
    keys.append(shown_key(page))
    for press in ("Shift+Digit1", "Shift+Digit5", "x"):
        page.keyboard.press(press)
    readings = room.wait_for_readings(worklist_id, 5)
    assert [reading.key for reading in readings] == keys
    assert [reading.verdict for reading in readings] == [
        Verdict.ACCEPT,
        Verdict.REJECT,
        Verdict.UNSURE,
        Verdict.REJECT,
        Verdict.REJECT,
    ]
    assert [reading.reasons for reading in readings] == [(), (), (), ("symmetry",), ("anatomy", "artefact")]
    wait_until_saved(page)
    expect(page.locator("[data-slot=done]")).to_have_text("5 read")


def test_undo_brings_the_image_back_and_the_record_keeps_both(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    first = shown_key(page)
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.keyboard.press("u")
    page.keyboard.press("u")
    assert shown_key(page) == first
    page.keyboard.press("x")
    readings = room.wait_for_readings(worklist_id, 3)
    assert [(reading.verdict, reading.voided) for reading in readings] == [
        (Verdict.ACCEPT, True),
        (Verdict.ACCEPT, True),
        (Verdict.REJECT, False),
    ]
    assert readings[2].key == first
    wait_until_saved(page)
    expect(page.locator("[data-slot=done]")).to_have_text("1 read")


def test_thirty_presses_at_fifty_milliseconds_make_thirty_readings(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    start = time.monotonic()
    for number in range(30):
        page.keyboard.press("a" if number % 3 else "x")
        time.sleep(max(0.0, start + 0.05 * (number + 1) - time.monotonic()))
    readings = room.wait_for_readings(worklist_id, 30)
    assert len({reading.key for reading in readings}) == 30
    assert [reading.verdict is Verdict.REJECT for reading in readings] == [number % 3 == 0 for number in range(30)]


def test_a_key_held_down_is_one_verdict(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    for _ in range(8):
        page.keyboard.down("a")
    page.keyboard.up("a")
    page.keyboard.press("x")
    readings = room.wait_for_readings(worklist_id, 2)
    assert [reading.verdict for reading in readings] == [Verdict.ACCEPT, Verdict.REJECT]


def test_keys_work_wherever_the_page_has_the_focus(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.mouse.click(700, 20)
    page.keyboard.press("a")
    page.locator("[data-tool=invert]").click()
    page.keyboard.press("a")
    page.locator("[data-verdict=unsure]").click()
    page.keyboard.press("a")
    verdicts = [reading.verdict for reading in room.wait_for_readings(worklist_id, 4)]
    assert verdicts == [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.UNSURE, Verdict.ACCEPT]


def test_label_blind_accepting_takes_a_class(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(label_shown=False)
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    expect(page.locator("[data-slot=class]")).to_be_empty()
    page.keyboard.press("a")
    page.keyboard.press("2")
    page.keyboard.press("x")
    page.keyboard.press("1")
    room.wait_for_readings(worklist_id, 2)
    with room.project.database.read() as session:
        newest = session.query(Reading).order_by(Reading.id.desc()).limit(2).all()
    assert [(reading.verdict, reading.corrected_label, reading.reasons) for reading in reversed(newest)] == [
        (Verdict.ACCEPT, "ring_lesion", []),
        (Verdict.REJECT, None, ["anatomy"]),
    ]


def test_the_last_image_leads_to_the_end_and_undo_leads_back(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(limit=42)
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    wait_until_loaded(page, 42)
    for _ in range(42):
        page.keyboard.press("a")
    expect(page.locator("[data-slot=blank]")).to_contain_text("All read")
    page.keyboard.press("a")
    page.keyboard.press("u")
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("x")
    assert room.wait_for_readings(worklist_id, 43)[-1].verdict is Verdict.REJECT
