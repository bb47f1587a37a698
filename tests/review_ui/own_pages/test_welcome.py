"""Consent before reading: asked by the server, given once, withdrawn at any time."""

from collections.abc import Callable

import pytest

from curation.project import Project
from curation.readers.accounts import add_reader
from curation.tables.people import Consent, Role
from tests.review_ui.conftest import PASSWORD, Browser
from tests.rows import DISPLAY, EXPERIENCE, NOW

PAGE = {"Accept": "text/html,*/*"}
AGREEMENT = {
    "agreed": True,
    "version": "1",
    "experience": EXPERIENCE.model_dump(),
    "display": DISPLAY.model_dump(),
}


@pytest.fixture
def newcomer(project: Project, open_browser: Callable[[], Browser]) -> Callable[[Role], Browser]:
    """Signs a person of a role in who has agreed to nothing."""

    def signed_in(role: Role = Role.READER) -> Browser:
        with project.database.write() as session:
            add_reader(session, project.chain, NOW, f"new {role.value}", PASSWORD, role=role)
        browser = open_browser()
        assert browser.sign_in(f"new {role.value}") == 200
        return browser

    return signed_in


def send(browser: Browser, path: str = "/rounds/api/consent", changed: dict[str, object] | None = None) -> int:
    """Agree, or post elsewhere; returns the status."""
    return browser.client.post(path, json={**AGREEMENT, **(changed or {})}, headers=browser.headers).status_code


def claim_status(browser: Browser, worklist_id: int) -> tuple[int, str]:
    """Ask for one image."""
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    answer = browser.client.post(path, json={"count": 1}, headers=browser.headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize("role", [Role.READER, Role.ADJUDICATOR])
@pytest.mark.parametrize("path", ["/", "/overview", "/static/js/index.js"])
def test_who_comes_to_read_is_led_to_the_welcome_page_first(
    newcomer: Callable[[Role], Browser], role: Role, path: str
) -> None:
    browser = newcomer(role)
    answer = browser.client.get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/rounds/welcome")
    assert browser.client.get(path).status_code == 403


@pytest.mark.parametrize("role", [Role.CURATOR, Role.ADMINISTRATOR, Role.PRIVACY])
def test_who_manages_sees_the_pages_without_consent(newcomer: Callable[[Role], Browser], role: Role) -> None:
    assert newcomer(role).client.get("/", headers=PAGE).status_code == 404  # no Streamlit behind this guard


@pytest.mark.parametrize("role", [Role.READER, Role.ADJUDICATOR, Role.CURATOR, Role.ADMINISTRATOR])
def test_nobody_is_handed_an_image_before_agreeing(
    newcomer: Callable[[Role], Browser], worklist_id: int, role: Role
) -> None:
    browser = newcomer(role)
    status, text = claim_status(browser, worklist_id)
    assert status == 403
    assert "/rounds/welcome" in text
    assert send(browser) == 200
    assert claim_status(browser, worklist_id)[0] == 200


def test_the_welcome_page_says_what_matters_and_asks_nothing_twice(newcomer: Callable[[Role], Browser]) -> None:
    browser = newcomer(Role.READER)
    page = browser.client.get("/rounds/welcome", headers=PAGE).text
    for words in ("planted faults", "under your name", "withdraw", "stay in the record and in outcomes"):
        assert words in page
    assert "<script>" not in page
    assert "style=" not in page
    send(browser)
    page = browser.client.get("/rounds/welcome", headers=PAGE).text
    assert "What you agreed to" in page
    assert "consent-form" not in page


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"agreed": False}, 422),
        ({"version": "0"}, 409),
        ({"experience": {"profession": "wizard", "years_reading": 1}}, 422),
        ({"display": {}}, 422),
        ({"display": {**DISPLAY.model_dump(), "pixel_ratio": "NaN"}}, 422),
        ({"reader_id": 1}, 422),
    ],
)
def test_a_body_that_does_not_fit_is_no_consent(
    newcomer: Callable[[Role], Browser], project: Project, worklist_id: int, changed: dict[str, object], status: int
) -> None:
    browser = newcomer(Role.READER)
    assert send(browser, changed=changed) == status
    assert claim_status(browser, worklist_id)[0] == 403


def test_consent_is_the_signed_in_readers_own(newcomer: Callable[[Role], Browser], project: Project) -> None:
    send(newcomer(Role.READER))
    with project.database.read() as session:
        consents = session.query(Consent).order_by(Consent.id).all()
    assert len(consents) == 3
    assert consents[-1].experience == EXPERIENCE.model_dump()


def test_after_withdrawal_nothing_is_handed_out_saved_or_shown(ada: Browser, worklist_id: int) -> None:
    (key,) = ada.claim(worklist_id, 1)
    assert send(ada, "/rounds/api/consent/withdraw") == 200
    assert claim_status(ada, worklist_id)[0] == 403
    body = {"assignment_key": key, "verdict": "accept", "reasons": [], "read_at": NOW.isoformat()}
    operation = {"kind": "reading", "op_id": "a" * 32, "body": body}
    sent = {"worklist_id": worklist_id, "operations": [operation]}
    answer = ada.client.post("/rounds/api/readings", json=sent, headers=ada.headers)
    assert answer.json()["results"][0]["state"] == "refused"
    assert ada.client.get("/", headers=PAGE).headers["location"] == "/rounds/welcome"
    assert send(ada, "/rounds/api/consent/withdraw") == 409
    assert send(ada) == 200
    assert claim_status(ada, worklist_id)[0] == 200


def test_the_account_page_offers_to_withdraw_only_what_was_given(
    ada: Browser, newcomer: Callable[[Role], Browser]
) -> None:
    assert "Withdraw consent" in ada.client.get("/rounds/account").text
    assert "Withdraw consent" not in newcomer(Role.READER).client.get("/rounds/account").text
