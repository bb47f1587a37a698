"""While the database is away the page answers 503 and tries again; then it goes on as before."""

import logging

import pytest

from curation.errors import DatabaseAway
from curation.project import Project
from review_ui import context
from review_ui.context import wait_on_page
from tests.review_ui.conftest import Browser


def test_every_request_is_answered_503_and_then_as_before(
    ada: Browser, project: Project, worklist_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    key = ada.claim(worklist_id, 1)[0]
    project.database.dispose()
    away = (project.root / "rounds.db").rename(project.root / "away.db")
    page = ada.client.get("/rounds/welcome", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "tries again by itself" in page.text
    assert 'http-equiv="refresh"' in page.text
    for path in (f"/rounds/pixels/{key}", "/rounds/api/session", "/"):
        answer = ada.client.get(path)
        assert answer.status_code == 503, path
        assert "the database cannot be used just now" in answer.json()["error"]
        assert str(project.root) not in answer.text
    assert ada.client.get("/rounds/health").text == "ok"
    assert ada.client.get("/rounds/static/rounds.css").status_code == 200
    assert ada.client.get("/rounds/sign-in").status_code == 200
    told = [record for record in caplog.records if "there is no database" in record.message]
    assert len(told) == 1  # not one for every request
    away.rename(project.root / "rounds.db")
    assert ada.client.get(f"/rounds/pixels/{key}").status_code == 200
    assert ada.client.get("/rounds/api/session").json()["name"] == "ada"


def test_signing_in_says_that_the_database_is_away(ada: Browser, project: Project) -> None:
    project.database.dispose()
    (project.root / "rounds.db").rename(project.root / "away.db")
    form = {"name": "ada", "password": "not looked at"}
    answer = ada.client.post("/rounds/sign-in", data=form, headers={**ada.headers, "Accept": "text/html"})
    assert answer.status_code == 503
    assert "The database does not answer just now" in answer.text


def test_a_page_waits_longer_with_each_try_and_logs_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(context.time, "sleep", waited.append)
    with caplog.at_level(logging.WARNING):
        for tries in range(1, 8):
            wait_on_page(DatabaseAway("the server is away."), tries)
    assert waited == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert caplog.messages[0] == "the server is away. Next try in 0.5 s."
