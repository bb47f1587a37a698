"""Signing in, being locked out, changing a first password."""

from collections.abc import Callable

import pytest

from curation.project import Project
from curation.readers.accounts import add_reader
from review_ui.security.throttle import FREE_TRIES
from tests.review_ui.conftest import ORIGIN, PASSWORD, Browser
from tests.rows import NOW


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("", ""), ("ada", "x" * 5000)])
def test_a_wrong_name_or_password_says_one_sentence_and_sets_no_cookie(
    stranger: Browser, name: str, password: str
) -> None:
    fields = {"name": name, "password": password}
    answer = stranger.client.post("/rounds/sign-in", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert "Name or password is not right" in answer.text
    assert "set-cookie" not in answer.headers


def test_signing_in_from_another_site_is_refused(stranger: Browser) -> None:
    fields = {"name": "ada", "password": PASSWORD}
    answer = stranger.client.post("/rounds/sign-in", data=fields, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


@pytest.mark.slow
def test_a_name_is_shown_back_as_text(stranger: Browser) -> None:
    fields = {"name": '"><script>alert(1)</script>', "password": "x"}
    answer = stranger.client.post("/rounds/sign-in", data=fields, headers={"Origin": ORIGIN})
    assert "<script>" not in answer.text


def test_guesses_of_the_current_password_by_a_stolen_session_have_to_wait(ada: Browser) -> None:
    change = {"current": "wrong", "new": "another long password"}
    for _ in range(FREE_TRIES):
        assert ada.client.post("/rounds/api/password", json=change, headers=ada.headers).status_code == 403
    slowed = ada.client.post("/rounds/api/password", json=change, headers=ada.headers)
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "5")
    assert ada.client.get("/rounds/api/session").status_code == 200


@pytest.mark.slow
def test_a_first_password_must_be_changed_before_anything_else(
    project: Project, open_browser: Callable[[], Browser]
) -> None:
    with project.database.write() as session:
        add_reader(session, project.chain, NOW, "new", PASSWORD, must_change_password=True)
    browser = open_browser()
    assert browser.sign_in("new") == 200
    assert browser.client.get("/", headers={"Accept": "text/html"}).headers["location"] == "/rounds/account"
    assert browser.client.get("/rounds/api/session").status_code == 403
    page = browser.client.get("/rounds/account").text
    assert "Choose a password of your own" in page
    assert "Back to reading" not in page
    same = {"current": PASSWORD, "new": PASSWORD}
    refused = browser.client.post("/rounds/api/password", json=same, headers=browser.headers)
    assert (refused.status_code, "another password" in refused.json()["error"]) == (422, True)
    assert browser.client.get("/rounds/api/session").status_code == 403
    change = {"current": PASSWORD, "new": "another long password"}
    assert browser.client.post("/rounds/api/password", json=change, headers=browser.headers).status_code == 200
    assert browser.client.get("/rounds/api/session").status_code == 200
    assert "Back to reading" in browser.client.get("/rounds/account").text


@pytest.mark.parametrize(
    ("current", "new", "status"),
    [
        ("wrong", "another long password", 403),
        (PASSWORD, "short", 422),
        (PASSWORD, "x" * 1001, 422),
        (PASSWORD, PASSWORD, 422),
    ],
)
def test_a_password_is_only_changed_for_a_good_one_by_who_knows_the_old(
    ada: Browser, current: str, new: str, status: int
) -> None:
    change = {"current": current, "new": new}
    assert ada.client.post("/rounds/api/password", json=change, headers=ada.headers).status_code == status
