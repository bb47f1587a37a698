"""Fixtures every test may use: a project on disk, and one schema on both databases.

A missing PostgreSQL or browser is a counted skip on a user's machine and a failure under `CI=true`.
"""

import gc
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from curation.database import Database
from curation.project import Project
from tests.memory import memory_root
from tests.object_store import environment, new_bucket, running_object_store
from tests.postgres import create_database, postgres_binaries, running_postgres
from tests.projects import new_project
from tests.sql import share_compiled_sql

share_compiled_sql()
SOAK = os.environ.get("ROUNDS_SOAK") == "1"
# Of each property `make soak` tries Hypothesis' own hundred. A busy machine that draws examples slowly is no fault.
ON_A_BUSY_MACHINE = [HealthCheck.too_slow]
settings.register_profile("few", max_examples=20, suppress_health_check=ON_A_BUSY_MACHINE)
settings.register_profile("all", suppress_health_check=ON_A_BUSY_MACHINE)
settings.load_profile("all" if SOAK else "few")


def pytest_configure() -> None:
    """Put temporary directories into memory, where there is room, unless the caller names another place."""
    root = memory_root()
    if root is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(root))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start modules with slow tests first, so that no worker is left with a long one at the end.

    Properties are soak tests: they are tried at more examples there.
    """
    for item in items:
        if item.get_closest_marker("hypothesis") is not None:
            item.add_marker("soak")
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking all that the libraries hold, again and again."""
    gc.collect()
    gc.freeze()


def missing(what: str, remedy: str) -> None:
    """Skip on a user's machine; fail where everything is expected to be there."""
    message = f"{what} is missing: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the schema and nothing else, migrated once per run and copied for each test."""
    path = tmp_path_factory.mktemp("migrated") / "rounds.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def make_project(migrated_file: Path) -> Callable[[Path], Project]:
    """Makes a migrated project in an empty directory."""

    def make(root: Path) -> Project:
        new_project(root, root.name, "sqlite:///rounds.db", "store")
        shutil.copy(migrated_file, root / "rounds.db")
        return Project.open(root)

    return make


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Project]) -> Iterator[Project]:
    """A migrated project on SQLite, with nothing in it."""
    made = make_project(tmp_path / "project")
    yield made
    made.database.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Once `sqlite` and once `postgres`."""
    kind: str = request.param
    return kind


@pytest.fixture
def database(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty database, once on SQLite and once on PostgreSQL."""
    if database_kind == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "rounds.db")
        made = Database(f"sqlite:///{path}")
    else:
        server: str = request.getfixturevalue("postgres_template")
        made = Database(create_database(server, f"rounds_{uuid.uuid4().hex}", template="migrated"))
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The server's URL, once it has a migrated database to copy for each test."""
    _migrate(create_database(postgres_server, "migrated", template="template1"))
    return postgres_server


def _migrate(url: str) -> None:
    made = Database(url)
    made.migrate()
    made.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this test run's own, on loopback; yields its URL without a database."""
    binaries = postgres_binaries()
    if binaries is None:
        missing("PostgreSQL", "on Debian, `apt-get install postgresql`")
    assert binaries is not None
    with running_postgres(binaries) as url:
        yield url


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """An S3 server of this test run's own, on loopback; yields its address."""
    with running_object_store() as address:
        yield address


@pytest.fixture
def s3_keys(object_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment in which s3fs reaches that server."""
    for name, value in environment(object_store).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where images go: once a directory, once a bucket on an S3 server."""
    if request.param == "directory":
        return str(tmp_path / "images")
    request.getfixturevalue("s3_keys")
    return new_bucket()


@pytest.fixture
def stored_project(tmp_path: Path, migrated_file: Path, store_url: str) -> Iterator[Project]:
    """A migrated project with nothing in it, its images once in a directory and once on S3."""
    root = tmp_path / "stored"
    new_project(root, "stored", "sqlite:///rounds.db", store_url)
    shutil.copy(migrated_file, root / "rounds.db")
    made = Project.open(root)
    yield made
    made.database.dispose()
