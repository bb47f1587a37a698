"""The time of a response reveals nothing about the image."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from curation.image_store import ImageStore, Pixels
from curation.project import Project
from curation.tables.images import Image
from curation.tables.reading import Assignment, WorklistItem
from review_ui.routes import raw_pixels
from review_ui.routes import reading as reading_routes
from tests.review_ui.conftest import IMAGES, Browser
from tests.review_ui.routes.test_reading import send, verdict

pytestmark = pytest.mark.alone

TRIES = 5
SLOWER_S = 0.005  # what half of the images take longer to decode; at 512 pixels noise costs about 0.2 ms
SETTLING_S = 0.015  # what half of the verdicts take longer to settle: more than a slow disk's writes differ by


@pytest.fixture
def every_other_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding takes longer for about half of the stored files."""
    decode = ImageStore.pixels

    def slow(store: ImageStore, digest: str) -> Pixels:
        if int(digest[-1], 16) % 2:
            time.sleep(SLOWER_S)
        return decode(store, digest)

    monkeypatch.setattr(ImageStore, "pixels", slow)


def longer_by_s(browser: Browser, project: Project, worklist_id: int) -> float:
    """How much longer slow images take to come than quick ones, by the best of a few tries at each.

    The least time is what the machine's other work disturbs least; slow decoding is in every try of a slow image.
    """
    keys = browser.claim(worklist_id, IMAGES)
    of_key = select(Assignment.key, Image.file_sha256).join(WorklistItem, WorklistItem.id == Assignment.item_id)
    with project.database.read() as session:
        slow = dict(session.execute(of_key.join(Image, Image.id == WorklistItem.image_id)).all())
    best: dict[bool, list[float]] = {True: [], False: []}
    for key in keys:
        took = []
        for _ in range(TRIES):
            started = time.perf_counter()
            assert browser.client.get(f"/rounds/pixels/{key}").status_code == 200
            took.append(time.perf_counter() - started)
        best[bool(int(slow[key][-1], 16) % 2)].append(min(took))
    return min(best[True]) - min(best[False])


@pytest.mark.usefixtures("every_other_is_slow")
def test_slow_and_quick_images_come_after_the_same_time(ada: Browser, project: Project, worklist_id: int) -> None:
    assert abs(longer_by_s(ada, project, worklist_id)) < SLOWER_S / 2


@pytest.mark.usefixtures("every_other_is_slow")
def test_without_the_wait_they_would_be_told_apart(
    ada: Browser, project: Project, worklist_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_pixels, "PIXELS_AFTER_S", 0.0)
    monkeypatch.setattr(raw_pixels, "PIXELS_AFTER_S_PER_BYTE", 0.0)
    assert longer_by_s(ada, project, worklist_id) > SLOWER_S / 2


def later_by_s(browser: Browser, worklist_id: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """How much longer verdicts take that settle more, as candidates' do under adjudication; every other one here."""
    record = reading_routes.record_reading
    keys = browser.claim(worklist_id, IMAGES)
    slow = set(keys[::2])

    def settling(*arguments: Any) -> Any:
        if arguments[-1].assignment_key in slow:
            time.sleep(SETTLING_S)
        return record(*arguments)

    monkeypatch.setattr(reading_routes, "record_reading", settling)
    took: dict[bool, list[float]] = {True: [], False: []}
    for key in keys:
        started = time.perf_counter()
        send(browser, worklist_id, verdict(key))
        took[key in slow].append(time.perf_counter() - started)
    return min(took[True]) - min(took[False])


def test_verdicts_that_settle_more_are_acknowledged_after_the_same_time(
    ada: Browser, worklist_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert abs(later_by_s(ada, worklist_id, monkeypatch)) < SLOWER_S / 2


def test_without_the_wait_acknowledgements_would_tell(
    ada: Browser, worklist_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_routes, "SAVED_AFTER_S", 0.0)
    assert later_by_s(ada, worklist_id, monkeypatch) > SETTLING_S / 2
