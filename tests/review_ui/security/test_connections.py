"""Connections that do not say what they want in time end; a request that broke off does nothing."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.middleware import Middleware

from curation.project import Project
from curation.tables.people import SignIn
from review_ui.launch import bind
from review_ui.routes.table import create_routes
from review_ui.security.connections import TimelyProtocol
from review_ui.security.guard import LOOPBACK_NAMES, Guard
from review_ui.security.sessions import Sessions
from tests.review_ui.conftest import PASSWORD, Clock

Ends = Callable[[], None]
HEALTH = b"GET /rounds/health HTTP/1.1\r\nHost: localhost\r\n"


class QuickProtocol(TimelyProtocol):
    """The same with less patience."""

    receive_s = 0.4


@pytest.fixture
def server(project: Project, clock: Clock) -> Iterator[tuple[int, Ends]]:
    """Our routes behind the guard on a real socket; gives its port, and what ends it in good order."""
    guard = Middleware(Guard, sessions=Sessions(project, clock), allowed_hosts=LOOPBACK_NAMES)
    application = Starlette(routes=create_routes(project, clock), middleware=[guard])
    listener = bind("127.0.0.1", 0)
    running = uvicorn.Server(
        uvicorn.Config(application, http=QuickProtocol, timeout_keep_alive=1, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()

    def end() -> None:
        running.should_exit = True
        thread.join(30)

    yield listener.getsockname()[1], end
    end()
    listener.close()


def answer_until_the_end(connection: socket.socket, trickle: bytes = b"") -> bytes:
    """Read until the server ends the connection, sending a byte more every tenth of a second meanwhile."""
    connection.settimeout(0.1)
    answer, waited = b"", 0
    while waited < 100:
        try:
            part = connection.recv(4096)
        except TimeoutError:
            waited += 1
            if trickle:
                connection.sendall(trickle)
            continue
        except ConnectionError:
            return answer
        if not part:
            return answer
        answer += part
    raise AssertionError("the connection did not end")


@pytest.mark.parametrize(
    ("begun", "trickle", "answered"),
    [
        (b"", b"", False),
        (b"GET /rounds/he", b"a", False),
        (HEALTH, b"X", False),
        (HEALTH + b"\r\n", b"", True),
        (HEALTH + b"\r\nGET /rou", b"a", True),
        (b"POST /rounds/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nname=", b"a", False),
    ],
    ids=["nothing", "request line", "headers", "idle after a request", "a second request", "body"],
)
@pytest.mark.slow
def test_a_slow_connection_ends(server: tuple[int, Ends], begun: bytes, trickle: bytes, answered: bool) -> None:
    with socket.create_connection(("127.0.0.1", server[0])) as connection:
        connection.sendall(begun)
        assert (b"200 OK" in answer_until_the_end(connection, trickle)) == answered


@pytest.mark.slow
def test_a_request_that_broke_off_does_nothing(server: tuple[int, Ends], project: Project) -> None:
    body = f"name=ada&password={PASSWORD.replace(' ', '+')}".encode()
    address = f"localhost:{server[0]}".encode()
    head = b"POST /rounds/sign-in HTTP/1.1\r\nHost: %b\r\nOrigin: http://%b\r\n" % (address, address)
    for length in (len(body) + 10, len(body)):
        with socket.create_connection(("127.0.0.1", server[0])) as connection:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % length + body)
            assert (b"303" in answer_until_the_end(connection)) == (length == len(body))
    server[1]()
    with project.database.read() as session:
        assert len(session.scalars(select(SignIn.id)).all()) == 1
