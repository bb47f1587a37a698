"""A curator sees what a mix would give, and what would stop it, before anything is built."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.tables.people import Role
from tests.e2e.conftest import Room
from tests.e2e.test_dashboards import open_as

pytestmark = pytest.mark.e2e


def test_a_curator_previews_a_mix_and_is_told_what_builds_it(
    room: Room, new_context: Callable[..., BrowserContext]
) -> None:
    page = open_as(room, new_context(), Role.CURATOR)
    page.goto(f"{room.server.url}/snapshots")
    expect(page.get_by_text("rounds snapshot build NAME").first).to_be_visible()
    page.get_by_text("Leave out what only models read").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("rounds snapshot build NAME --no-proxy")).to_be_visible()
    expect(page.get_by_role("heading", name="By class")).to_be_visible()
    expect(page.get_by_text("A build is refused")).to_be_visible()
    expect(page.get_by_text("Candidates not read yet")).to_be_visible()
    assert page.locator("[data-testid=stException]").count() == 0
    assert not list(room.project.directory("snapshots").iterdir())
