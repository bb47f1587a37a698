"""Every page works without another host and asks none, and axe finds nothing serious on any."""

import os
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Route

from curation.tables.people import Role
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import Room
from tests.e2e.every_page import every_page

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.soak]
NewContext = Callable[..., BrowserContext]
SOAK = os.environ.get("ROUNDS_SOAK") == "1"
SAME_FOR_ALL = {"sign-in", "read", "keys", "grid", "account"}  # axe looks at these once, under `make soak` in each role


@pytest.mark.parametrize(
    ("role", "some_pages"),
    [
        (Role.READER, {"sign-in", "read", "keys", "grid", "overview", "account"}),
        (Role.ADJUDICATOR, {"grid", "images", "account"}),
        (Role.ADMINISTRATOR, {"grid", "results", "agreement", "readers", "accounts"}),
    ],
)
def test_every_page_stands_with_all_other_hosts_cut_off_and_axe_finds_nothing(
    used_room: Room, new_context: NewContext, role: Role, some_pages: set[str]
) -> None:
    room = used_room
    room.worklist()
    our_host = urlsplit(room.server.url).netloc
    context = new_context(fresh=True)
    elsewhere: list[str] = []
    troubles: list[str] = []
    at = "sign-in"

    def pass_own_only(route: Route) -> None:
        if urlsplit(route.request.url).netloc == our_host:
            return route.continue_()
        elsewhere.append(route.request.url)
        route.abort()

    context.route("**/*", pass_own_only)
    page = context.new_page()
    page.on("websocket", lambda socket: elsewhere.extend([socket.url] * (urlsplit(socket.url).netloc != our_host)))
    page.on("pageerror", lambda error: troubles.append(f"{at}: {error}"))
    page.on("console", lambda message: troubles.append(f"{at}: {message.text}") if message.type == "error" else None)
    page.on("response", lambda came: troubles.append(f"{at}: {came.url}") if came.status >= 400 else None)
    violations = {}
    looked_at = set() if SOAK or role == Role.ADMINISTRATOR else SAME_FOR_ALL
    for at in every_page(page, room, room.reader(role)):  # the listeners above say where they were
        violations[at] = [] if at in looked_at else found_by_axe(page)
    assert some_pages <= set(violations)
    assert {at: lines for at, lines in violations.items() if lines} == {}
    assert elsewhere == []
    assert troubles == []
