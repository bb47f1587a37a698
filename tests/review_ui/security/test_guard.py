"""Nobody gets anything: strangers, other sites, forged and expired sessions, oversized bodies."""

from datetime import timedelta

import pytest

from curation.project import Project
from curation.readers.sign_ins import ABSOLUTE, IDLE
from review_ui.security.sessions import Sessions
from tests.review_ui.conftest import ORIGIN, Browser, Clock

KEY = "0" * 32
PROTECTED = [
    ("GET", "/"),
    ("GET", "/rounds/account"),
    ("GET", "/rounds/api/session"),
    ("GET", f"/rounds/pixels/{KEY}"),
    ("GET", "/rounds/static/account.js"),
    ("GET", "/rounds/static/../sign-in/../pixels"),
    ("GET", "/static/js/index.js"),
    ("GET", "/media/anything.png"),
    ("GET", "/_stcore/health"),
    ("GET", "/_stcore/host-config"),
    ("POST", "/rounds/api/worklists/1/claim"),
    ("POST", "/rounds/api/readings"),
    ("POST", "/rounds/api/password"),
    ("POST", "/rounds/api/sign-out"),
    ("DELETE", "/rounds/api/readings"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_a_stranger_gets_nothing(stranger: Browser, method: str, path: str) -> None:
    answer = stranger.client.request(method, path, headers={"Origin": ORIGIN} if method != "GET" else {})
    assert answer.status_code == 401
    assert answer.json() == {"error": "sign in first."}


def test_a_strangers_page_visit_leads_to_the_sign_in_page(stranger: Browser) -> None:
    answer = stranger.client.get("/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/rounds/sign-in")
    form = stranger.client.get("/rounds/sign-in")
    assert form.status_code == 200
    assert "no-store" in form.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/rounds/pairs", 403, "This is not for the role reader."),
        ("/rounds/exports/worklists/1/reasons.csv", 403, "This is not for the role reader."),
        ("/rounds/nowhere", 404, "There is nothing here."),
        ("/rounds/static/nowhere.js", 404, "There is nothing here."),
        ("/rounds/pixels/nowhere", 404, "You hold no assignment with this key."),
    ],
)
def test_a_refused_page_visit_gets_a_page_and_a_script_an_answer(
    ada: Browser, path: str, status: int, why: str
) -> None:
    shown = ada.client.get(path, headers={"Accept": "text/html,*/*"})
    assert shown.status_code == status
    assert shown.headers["content-type"].startswith("text/html")
    assert why in shown.text
    assert 'href="/"' in shown.text
    answer = ada.client.get(path)
    assert answer.status_code == status
    assert "error" in answer.json()


@pytest.mark.parametrize("path", ["/_stcore/upload_file/a/b", "/_stcore/metrics", "/_stcore/agent/mcp", "/auth/login"])
def test_what_streamlit_offers_and_we_do_not_use_is_closed(ada: Browser, path: str) -> None:
    assert ada.client.get(path).status_code == 404


def test_a_write_outside_our_routes_is_refused(ada: Browser) -> None:
    assert ada.client.post("/_stcore/anything", headers=ada.headers).status_code == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "", "a b", "[::1"]
)
def test_another_host_name_is_refused(ada: Browser, host: str) -> None:
    assert ada.client.get("/rounds/api/session", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://testserver.evil.example", "testserver", None]
)
def test_a_write_from_elsewhere_is_refused(ada: Browser, worklist_id: int, origin: str | None) -> None:
    headers = {**ada.headers, "Origin": origin} if origin else {"X-CSRF-Token": ada.csrf}
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    assert ada.client.post(path, json={"count": 1}, headers=headers).status_code == 403


def test_another_site_may_link_to_a_page_but_not_load_from_us(ada: Browser) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert ada.client.get("/rounds/account", headers=link).status_code == 200
    assert ada.client.get("/rounds/api/session", headers=embedded).status_code == 403
    assert ada.client.get("/rounds/account", headers=framed).status_code == 403


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_write_needs_the_sessions_csrf_token(ada: Browser, worklist_id: int, token: str) -> None:
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    headers = {name.encode(): value.encode("latin-1") for name, value in {**ada.headers, "X-CSRF-Token": token}.items()}
    answer = ada.client.post(path, json={"count": 1}, headers=headers)
    assert answer.status_code == 403


def test_another_readers_csrf_token_does_not_do(ada: Browser, ben: Browser, worklist_id: int) -> None:
    path = f"/rounds/api/worklists/{worklist_id}/claim"
    assert ada.client.post(path, json={"count": 1}, headers=ben.headers).status_code == 403


@pytest.mark.parametrize("token", ["forged", "x" * 5000, "' OR 1=1 --", "%00"])
def test_a_forged_cookie_is_a_stranger(stranger: Browser, token: str) -> None:
    answer = stranger.client.get("/rounds/api/session", headers={"Cookie": f"rounds_session={token}"})
    assert answer.status_code == 401


def test_a_session_ends_when_idle(ada: Browser, clock: Clock) -> None:
    clock.move(IDLE - timedelta(minutes=1))
    assert ada.client.get("/rounds/api/session").status_code == 200
    clock.move(IDLE - timedelta(minutes=1))
    assert ada.client.get("/rounds/api/session").status_code == 200
    clock.move(IDLE + timedelta(minutes=1))
    assert ada.client.get("/rounds/api/session").status_code == 401


def test_a_session_ends_after_its_absolute_time_however_busy(ada: Browser, clock: Clock) -> None:
    for _ in range(int(ABSOLUTE / IDLE) * 2):
        assert ada.client.get("/rounds/api/session").status_code == 200
        clock.move(IDLE / 2)
    assert ada.client.get("/rounds/api/session").status_code == 401


def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(
    ada: Browser, project: Project, clock: Clock
) -> None:
    sessions, token = Sessions(project, clock), ada.client.cookies["rounds_session"]
    for _ in range(3):
        clock.move(IDLE / 3)
        assert sessions.find(token, active=False) is not None
    clock.move(timedelta(seconds=1))
    assert sessions.find(token, active=False) is None


def test_signing_out_ends_the_session_on_the_server(ada: Browser) -> None:
    cookie = ada.client.cookies["rounds_session"]
    assert ada.client.post("/rounds/api/sign-out", headers=ada.headers).status_code == 200
    replayed = ada.client.get("/rounds/api/session", headers={"Cookie": f"rounds_session={cookie}"})
    assert replayed.status_code == 401


def test_an_oversized_body_is_refused_before_it_is_read(ada: Browser) -> None:
    answer = ada.client.post("/rounds/api/readings", content=b"[" * 300_000, headers=ada.headers)
    assert answer.status_code == 413


def test_every_answer_carries_the_security_headers(ada: Browser, stranger: Browser) -> None:
    for answer in (ada.client.get("/rounds/account"), stranger.client.get("/"), stranger.client.get("/rounds/nothing")):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_cookie_is_closed_to_scripts_and_other_sites_and_secure_over_https(stranger: Browser) -> None:
    fields = {"name": "ada", "password": "a long enough password"}
    plain = stranger.client.post("/rounds/sign-in", data=fields, headers={"Origin": ORIGIN}).headers["set-cookie"]
    origin = "https://testserver"
    tls = stranger.client.post(f"{origin}/rounds/sign-in", data=fields, headers={"Origin": origin})
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(plain.split("; "))
    assert "Secure" not in plain.split("; ")
    assert "Secure" in tls.headers["set-cookie"].split("; ")
    assert tls.headers["strict-transport-security"]
    assert tls.headers["set-cookie"].startswith("__Host-rounds_session=")


def test_by_https_a_cookie_without_the_prefix_counts_for_nothing(ada: Browser) -> None:
    token = ada.client.cookies["rounds_session"]
    for name, status in (("rounds_session", 401), ("__Host-rounds_session", 200)):
        answer = ada.client.get("https://testserver/rounds/api/session", headers={"Cookie": f"{name}={token}"})
        assert answer.status_code == status


@pytest.mark.parametrize(("page", "server"), [("http", "https"), ("https", "http")])
def test_a_page_of_another_scheme_is_foreign(stranger: Browser, page: str, server: str) -> None:
    fields = {"name": "ada", "password": "a long enough password"}
    headers = {"Origin": f"{page}://testserver", "Accept": "application/json"}
    answer = stranger.client.post(f"{server}://testserver/rounds/sign-in", data=fields, headers=headers)
    assert (answer.status_code, f"expected a page that came by {server}" in answer.json()["error"]) == (403, True)
