"""The page of measures over a real measurement: floors beside values, and images."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.progress import silent
from curation.tables.people import Role
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import NOTICE, Room
from tests.e2e.every_page import wait_until_settled
from tests.e2e.test_dashboards import open_as
from tests.rows import NOW

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def measure(room: Room, images: str) -> None:
    """The room's candidates against its real images by the shipped backbone; done once for all tests."""
    from screening.set_measures.measure import measure_sets
    from screening.set_measures.request import MeasureRequest

    request = MeasureRequest.checked(images=images, worklists=("First-reading",), resamples=20, n=20)
    measure_sets(room.project, request, NOW, silent)


def test_a_measured_set_is_shown_with_its_floor_its_pictures_and_another_beside(
    used_room: Room, new_context: Callable[..., BrowserContext]
) -> None:
    measure(used_room, "raw")
    measure(used_room, "approved")
    page = open_as(used_room, new_context(), Role.CURATOR)
    page.get_by_role("link", name="Measures", exact=True).click()
    expect(page.get_by_role("heading", name="Against real images")).to_be_visible()
    wait_until_settled(page)
    assert page.locator("[data-testid=stException]").count() == 0
    expect(page.get_by_text(NOTICE).first).to_be_visible()
    filled, hollow = page.locator("b.r-own").count(), page.locator("b.r-floor").count()
    assert filled == hollow > 6
    sizes = page.locator("img.r-drawing, .r-gallery img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert len(sizes) > 6
    assert min(sizes) > 0
    page.get_by_label("Beside").click()
    page.get_by_text("1: raw of First-reading, n 20").last.click()
    wait_until_settled(page)
    expect(page.locator("b.r-own")).not_to_have_count(filled)
    assert found_by_axe(page) == []
