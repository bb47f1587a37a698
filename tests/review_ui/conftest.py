"""Our routes behind the guard, without Streamlit: one project, two readers, one worklist, a clock."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from curation.project import Project
from curation.readers.accounts import add_reader
from curation.reading.recipe import WorklistRecipe
from curation.worklists.create import create_worklist
from review_ui.routes.table import EXCEPTION_HANDLERS, create_routes
from review_ui.security.guard import Guard
from review_ui.security.sessions import Sessions
from tests.builders import add_candidates, oval
from tests.copies import copied
from tests.passwords import cheap_passwords
from tests.rows import NOW, add_consent
from tests.worlds.read_set import proxy_read_set_world  # noqa: F401  (a fixture)

PASSWORD = "a long enough password"
ORIGIN = "http://testserver"
IMAGES = 12


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, step: timedelta) -> None:
        """Let `step` pass."""
        self.now += step


@dataclass
class Browser:
    """A client with its own cookies, and the headers a browser sends from our page."""

    client: TestClient
    csrf: str = ""

    def sign_in(self, name: str, password: str = PASSWORD) -> int:
        """Sign in as our viewer does; returns the status."""
        answer = self.client.post(
            "/rounds/sign-in",
            data={"name": name, "password": password},
            headers={"Origin": ORIGIN, "Accept": "application/json"},
        )
        self.csrf = answer.json().get("csrf", "")
        return answer.status_code

    @property
    def headers(self) -> dict[str, str]:
        """What every write of our page carries."""
        return {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf}

    def claim(self, worklist_id: int, count: int = 4) -> list[str]:
        """Lease images and return their assignment keys."""
        path = f"/rounds/api/worklists/{worklist_id}/claim"
        answer = self.client.post(path, json={"count": count}, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return [item["key"] for item in answer.json()["items"]]


@pytest.fixture
def clock() -> Clock:
    """The server's clock."""
    return Clock()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> tuple[Project, int]:
    """A project with 12 candidates, ada and ben, who consented, and a worklist; made once, copied per test."""
    project = make_project(tmp_path_factory.mktemp("template") / "project")
    with cheap_passwords(), project.database.write() as session:
        add_candidates(project, session, [oval(number) for number in range(IMAGES)])
        for name in ("ada", "ben"):
            add_consent(session, project.chain, add_reader(session, project.chain, NOW, name, PASSWORD).id)
        worklist_id = create_worklist(session, project.chain, NOW, WorklistRecipe(name="first")).id
    return project, worklist_id


@pytest.fixture(autouse=True)
def passwords_are_cheap() -> Iterator[None]:
    """Hashing is slow on purpose; what is tested here is what a sign-in opens."""
    with cheap_passwords():
        yield


@pytest.fixture
def project(template: tuple[Project, int], tmp_path: Path) -> Iterator[Project]:
    """A copy of the template of this test's own."""
    made = copied(template[0], tmp_path / "project")
    yield made
    made.database.dispose()


@pytest.fixture
def worklist_id(template: tuple[Project, int]) -> int:
    """The worklist of the template."""
    return template[1]


@pytest.fixture
def open_browser(project: Project, clock: Clock) -> Iterator[Callable[[], Browser]]:
    """Opens a fresh browser, without cookies, on the application."""
    guard = Middleware(Guard, sessions=Sessions(project, clock), allowed_hosts=frozenset({"testserver"}))
    application = Starlette(
        routes=create_routes(project, clock), middleware=[guard], exception_handlers=EXCEPTION_HANDLERS
    )
    clients: list[TestClient] = []

    def opened() -> Browser:
        clients.append(TestClient(application, follow_redirects=False, raise_server_exceptions=False))
        return Browser(clients[-1])

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def stranger(open_browser: Callable[[], Browser]) -> Browser:
    """Nobody."""
    return open_browser()


@pytest.fixture
def ada(open_browser: Callable[[], Browser]) -> Browser:
    """The reader ada, signed in."""
    browser = open_browser()
    assert browser.sign_in("ada") == 200
    return browser


@pytest.fixture
def ben(open_browser: Callable[[], Browser]) -> Browser:
    """The reader ben, signed in."""
    browser = open_browser()
    assert browser.sign_in("ben") == 200
    return browser
