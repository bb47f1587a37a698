"""A curator sees what a mix would give, and what would stop it, before anything is built."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.project import Project
from curation.tables.people import Role
from tests.curation.snapshots.filled import fill
from tests.e2e.conftest import Room
from tests.e2e.test_dashboards import open_as
from tests.review_ui.serving import ReviewServer

pytestmark = pytest.mark.e2e


@pytest.fixture
def leaking(tmp_path: Path, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A running server over a project of its own, whose generator saw a subject that is held out."""
    project = make_project(tmp_path / "leaking")
    fill(project, generator_saw="s9")
    server = ReviewServer(project.root)
    server.start()
    yield Room(server, project, 1)
    server.stop()
    project.database.dispose()


def test_a_curator_previews_a_mix_and_is_told_what_builds_it_and_what_stops_it(
    leaking: Room, new_context: Callable[..., BrowserContext]
) -> None:
    page = open_as(leaking, new_context(), Role.CURATOR)
    page.goto(f"{leaking.server.url}/snapshots")
    expect(page.get_by_text("rounds snapshot build NAME").first).to_be_visible()
    page.get_by_text("Leave out what only models read").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("rounds snapshot build NAME --no-proxy")).to_be_visible()
    expect(page.get_by_role("heading", name="By class")).to_be_visible()
    refused = page.locator(".r-warning")
    expect(refused.get_by_role("heading", name="A build is refused")).to_be_visible()
    expect(refused.get_by_text("generator 'gen' was fitted on 1 validation or test subjects")).to_be_visible()
    expect(page.get_by_text("No synthetic image has been screened.")).to_be_visible()
    expect(page.get_by_text("Candidates not read yet")).to_be_visible()
    assert page.locator("[data-testid=stException]").count() == 0
    assert not list(leaking.project.directory("snapshots").iterdir())
