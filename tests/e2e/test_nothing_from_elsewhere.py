"""No page loads anything from another host, and every page works without one."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Route

from curation.tables.people import Role
from tests.e2e.conftest import Room
from tests.e2e.every_page import every_page

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


@pytest.mark.parametrize("role", [Role.READER, Role.ADMINISTRATOR])
def test_every_page_stands_with_all_other_hosts_cut_off(used_room: Room, new_context: NewContext, role: Role) -> None:
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
    visited = []
    for at in every_page(page, room, room.reader(role)):  # the listeners above say where they were
        visited.append(at)
    assert {"sign-in", "read", "overview", "account"} <= set(visited)
    assert elsewhere == []
    assert troubles == []
