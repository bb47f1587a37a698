"""Every route is requested by every role and without signing in, new routes too."""

import json
import re
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from starlette.routing import Route
from starlette.websockets import WebSocketDisconnect

from curation.project import Project
from curation.readers.accounts import add_reader, sign_out_everywhere
from curation.readers.sign_ins import ABSOLUTE, IDLE, sign_in_by_provider
from curation.tables.people import Role, SignIn
from review_ui.routes.table import create_routes
from review_ui.security.access import ACCESS, Who, need_of
from review_ui.security.permissions import CAPABILITIES
from tests.projects import new_project
from tests.review_ui.conftest import ORIGIN, Browser, Clock
from tests.rows import NOW

KEY = "0" * 32
NOBODYS = {401, 403, 404}


def registered(project: Project) -> list[tuple[str, str]]:
    """(method, path) of every route, HEAD left out."""
    routes = [route for route in create_routes(project, lambda: NOW) if isinstance(route, Route)]
    return [(method, route.path) for route in routes for method in sorted((route.methods or set()) - {"HEAD"})]


def _routes_of_an_empty_project() -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        new_project(Path(directory), "routes", "sqlite:///rounds.db", "store")
        return registered(Project.open(Path(directory)))


ROUTES = _routes_of_an_empty_project()
WRITES = [(method, path) for method, path in ROUTES if method != "GET"]


def filled(path: str) -> str:
    """A route's path with something plausible in its places."""
    return re.sub(r"{[^}]*}", KEY, re.sub(r"{[^}]*:int}", "1", path))


@pytest.fixture
def enter(project: Project, open_browser: Callable[[], Browser]) -> Callable[[Role], Browser]:
    """Opens a browser that is signed in under a role."""

    def entered(role: Role) -> Browser:
        subject = f"https://login.example.org {role}"
        with project.database.write() as session:
            add_reader(session, project.chain, NOW, f"the {role}", None, role=role, oidc_subject=subject)
            made = sign_in_by_provider(session, project.chain, NOW, subject)
        assert made is not None
        browser = open_browser()
        browser.client.cookies.set("rounds_session", made.token)
        browser.csrf = made.csrf_token
        return browser

    return entered


def test_every_route_has_its_line_and_every_line_a_route() -> None:
    assert [route for route in ROUTES if route not in ACCESS] == []
    assert all(need_of("http", method, filled(path)) is not None for method, path in ROUTES)
    static = {("GET", f"/rounds/static/{name}") for name in ("rounds.css", "icon.svg", "theme.js")}
    assert set(ACCESS) - set(ROUTES) - static == set()


def test_nobody_gets_past_what_is_for_everybody(stranger: Browser) -> None:
    public = {route for route in ROUTES if ACCESS[route].who is Who.EVERYBODY}
    assert {path for _, path in public} == {
        "/rounds/health",
        "/rounds/sign-in",
        "/rounds/oidc/sign-in",
        "/rounds/oidc/callback",
    }
    for method, path in set(ROUTES) - public:
        answer = stranger.client.request(method, filled(path), headers={"Origin": ORIGIN} if method != "GET" else {})
        assert answer.status_code == 401, (method, path)


@pytest.mark.slow
@pytest.mark.parametrize("role", list(Role))
def test_every_role_gets_where_the_table_says_and_nothing_breaks(role: Role, enter: Callable[[Role], Browser]) -> None:
    browser = enter(role)
    ending = [route for route in ROUTES if "sign-out" in route[1] or "withdraw" in route[1]]
    for method, path in [route for route in ROUTES if route not in ending] + ending[:1]:
        need = ACCESS[method, path]
        allowed = not need.any_of or bool(need.any_of & CAPABILITIES[role])
        headers = browser.headers if method != "GET" else {}
        answer = browser.client.request(method, filled(path), headers=headers)
        assert answer.status_code < 500, (method, path, answer.text)
        if not allowed:
            assert answer.status_code == 403, (method, path)
            assert "this is not for the role" in answer.json()["error"]
        else:
            assert "this is not for the role" not in answer.text


@pytest.mark.parametrize("role", [Role.READER, Role.ADJUDICATOR, Role.PRIVACY, Role.CURATOR])
def test_streamlits_media_are_for_those_who_may_see_images(role: Role, enter: Callable[[Role], Browser]) -> None:
    answer = enter(role).client.get("/media/0000.png")
    assert ("this is not for the role" in answer.text) == (role is Role.READER)


@pytest.mark.parametrize("how", ["signed out", "everywhere", "idle", "absolute", "revoked", "forged"])
def test_a_session_that_is_over_opens_no_route(
    how: str, enter: Callable[[Role], Browser], project: Project, clock: Clock
) -> None:
    browser = enter(Role.ADMINISTRATOR)
    token = browser.client.cookies["rounds_session"]
    if how == "signed out":
        browser.client.post("/rounds/api/sign-out", headers=browser.headers)
    elif how in ("idle", "absolute"):
        clock.move((IDLE if how == "idle" else ABSOLUTE) + timedelta(seconds=1))
    elif how == "forged":
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    else:
        with project.database.write() as session:
            if how == "everywhere":
                sign_out_everywhere(session, project.chain, NOW, "the administrator")
            else:
                session.execute(update(SignIn).values(revoked_at=NOW))
    browser.client.cookies.clear()
    for method, path in ROUTES:
        if ACCESS[method, path].who is Who.EVERYBODY:
            continue
        headers = {**browser.headers, "Cookie": f"rounds_session={token}"}
        answer = browser.client.request(method, filled(path), headers=headers)
        assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_route_answers_another_site(headers: dict[str, str], enter: Callable[[Role], Browser]) -> None:
    browser = enter(Role.ADMINISTRATOR)
    for method, path in ROUTES:
        answer = browser.client.request(method, filled(path), headers={**browser.headers, **headers})
        assert answer.status_code == (421 if "Host" in headers else 403), (method, path)


def test_no_write_is_taken_without_the_token_of_its_session(enter: Callable[[Role], Browser], ada: Browser) -> None:
    browser = enter(Role.ADMINISTRATOR)
    for method, path in WRITES:
        if ACCESS[method, path].who is Who.EVERYBODY:
            continue
        for token in ("", ada.csrf):
            headers = {**browser.headers, "X-CSRF-Token": token}
            assert browser.client.request(method, filled(path), headers=headers).status_code == 403, (method, path)


BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b"\xff\xfe\x00",
    b'{"a": ' + b"9" * 5000 + b"}",
    b"[" * 50_000,
    b'{"a":' * 20_000,
    json.dumps({"worklist_id": 2**70, "operations": []}).encode(),
    json.dumps({"worklist_id": -1, "operations": "x"}).encode(),
    json.dumps({"count": 2**64, "mode": {}}).encode(),
    json.dumps({"name": "a\x00b", "current": "a\x00b", "new": "\x00" * 12}).encode(),
    b'{"name": "\\ud800"}',
    b"name=%00&password=%00",
    b"&".join(b"a=b" for _ in range(99)),
]


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_malformed_body_breaks_no_route(body: bytes, enter: Callable[[Role], Browser]) -> None:
    browser = enter(Role.ADMINISTRATOR)
    for method, path in WRITES:
        if "sign-out" in path or "withdraw" in path:
            continue
        answer = browser.client.request(method, filled(path), content=body, headers=browser.headers)
        assert answer.status_code < 500, (method, path, answer.text)


def test_an_oversized_body_is_refused_by_every_route(enter: Callable[[Role], Browser]) -> None:
    browsers = [(role, enter(role)) for role in (Role.ADMINISTRATOR, Role.PRIVACY)]
    for method, path in WRITES:
        need = ACCESS[method, path]
        browser = next(b for role, b in browsers if not need.any_of or need.any_of & CAPABILITIES[role])
        answer = browser.client.request(method, filled(path), content=b"x" * 300_000, headers=browser.headers)
        assert answer.status_code == 413, (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/rounds/pixels/..%2f..%2frounds.db",
        "/rounds/pixels/%2e%2e/api/session",
        "/rounds//api/session",
        "//rounds/api/session",
        "/ROUNDS/api/session",
        "/rounds/api/session/",
        "/rounds/api/session%00",
        "/rounds/api/session%0a",
        "/rounds/pixels/%00",
        "/rounds/pixels/" + "a" * 5000,
        "/rounds/static/..%2froutes.py",
        "/rounds/static/..%5croutes.py",
        f"/rounds/api/worklists/{'9' * 30}/claim",
        "/rounds/api/worklists/-1/claim",
        "/rounds/static/%c0%ae%c0%ae/routes.py",
    ],
)
def test_a_crooked_path_leads_nowhere(path: str, enter: Callable[[Role], Browser], stranger: Browser) -> None:
    browser = enter(Role.ADMINISTRATOR)
    for method in ("GET", "POST"):
        answer = browser.client.request(method, path, headers=browser.headers)
        assert answer.status_code in (403, 404, 405, 422), (method, answer.text)
        strangers = stranger.client.request(method, path, headers={"Origin": ORIGIN})
        assert strangers.status_code in NOBODYS | {405}


def test_another_readers_assignment_is_not_found(ada: Browser, ben: Browser, worklist_id: int) -> None:
    key = ada.claim(worklist_id, 1)[0]
    assert ada.client.get(f"/rounds/pixels/{key}").status_code == 200
    for near in (key[:-1], key.upper() + "x", key[:-1] + "%00"):
        assert ada.client.get(f"/rounds/pixels/{near}").status_code == 404
    assert ben.client.get(f"/rounds/pixels/{key}").status_code == 404


@pytest.mark.slow
def test_too_many_requests_wait_for_a_moment_and_hinder_nobody_else(
    ada: Browser, ben: Browser, clock: Clock, project: Project
) -> None:
    path = f"/rounds/pixels/{KEY}"
    statuses = [ada.client.get(path).status_code for _ in range(650)]
    assert statuses[:500] == [404] * 500
    last = ada.client.get(path)
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) >= 1
    assert ben.client.get(path).status_code == 404
    assert ada.client.get("/rounds/api/session").status_code == 200
    clock.move(timedelta(seconds=2))
    assert ada.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("who", "path", "headers"),
    [
        ("nobody", "/_stcore/stream", {"Origin": ORIGIN}),
        ("ada", "/_stcore/stream", {}),
        ("ada", "/_stcore/stream", {"Origin": "http://evil.example"}),
        ("ada", "/_stcore/stream", {"Origin": ORIGIN, "Host": "evil.example"}),
        ("ada", "/_stcore/stream", {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}),
        ("ada", "/rounds/api/session", {"Origin": ORIGIN}),
    ],
)
def test_a_websocket_is_only_for_a_reader_on_our_own_page(
    who: str, path: str, headers: dict[str, str], ada: Browser, stranger: Browser
) -> None:
    client = ada.client if who == "ada" else stranger.client
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect(path, headers=headers):
        pass
    assert closed.value.code == 1008
