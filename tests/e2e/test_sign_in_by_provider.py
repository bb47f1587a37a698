"""Signing in with an identity provider in a real browser, from the button to the first page."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.project import Project
from curation.readers.accounts import add_reader
from curation.tables.people import Role
from review_ui.security.oidc import SECRET_FILE
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from oidc_provider_mock import run_server_in_thread

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]  # the provider's libraries deprecate things


def test_the_button_leads_to_the_provider_and_back_to_the_pages(
    tmp_path: Path, make_project: Callable[[Path], Project], new_context: Callable[..., BrowserContext]
) -> None:
    root = tmp_path / "clinic"
    project = make_project(root)
    with run_server_in_thread() as provider:
        issuer = f"http://localhost:{provider.server_port}"
        with (root / "rounds.toml").open("a") as file:
            file.write(f'\n[oidc]\nissuer = "{issuer}"\nclient_id = "rounds"\nname = "the clinic"\n')
        (root / "secrets" / SECRET_FILE).write_text("a client secret\n")
        with project.database.write() as session:
            add_reader(session, project.chain, NOW, "carol", None, role=Role.CURATOR, oidc_subject=f"{issuer} carol")
        server = ReviewServer(root)
        server.start()
        try:
            page = new_context().new_page()
            page.goto(f"{server.url}/rounds/sign-in")
            page.get_by_role("link", name="Sign in with the clinic").click()
            page.locator("input[name=sub]").fill("carol")
            page.get_by_role("button").first.click()
            expect(page.get_by_role("link", name="Worklists", exact=True)).to_be_visible()
            page.goto(f"{server.url}/rounds/account")
            expect(page.get_by_role("heading", name="carol")).to_be_visible()
            assert page.locator("#current").count() == 0  # no password here to change
            page.get_by_role("button", name="Sign out", exact=True).click()
            expect(page.get_by_label("Password")).to_be_visible()
            page.goto(server.url)
            expect(page.get_by_label("Password")).to_be_visible()
        finally:
            server.stop()
            project.database.dispose()
