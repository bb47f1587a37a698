"""A password in an address is never printed, logged or stored."""

import logging
import threading
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from cli.main import main
from cli.terminal import this_command
from cli.worker import RUNNERS, run_one
from curation.backup.database import copied_state, load_copy, program_address
from curation.database import Database, parse_url, place_of
from curation.errors import BadInput, RoundsError, Unavailable, hide_passwords, plain_message
from curation.image_store import ImageStore
from curation.jobs import enqueue
from curation.project import Project
from curation.settings import read_settings
from curation.tables.operations import Job
from review_ui.launch import PlainFormatter
from tests.rows import NOW

SECRET = "s3cretPW"
ADDRESSES = [
    f"postgresql+psycopg://rounds:{SECRET}@127.0.0.1:1/rounds",
    f"postgresql+psycopg://rounds@127.0.0.1:1/rounds?password={SECRET}",
    f"postgresql://rounds:{SECRET}@127.0.0.1:1/rounds",
    f"postgresql+nothing://rounds:{SECRET}@127.0.0.1:1/rounds",
    f"postgresql://rounds:{SECRET}@127.0.0.1:port/rounds",
    f"postgres://rounds:{SECRET}@127.0.0.1:1/rounds",
    f"mysql://rounds:{SECRET}@127.0.0.1:1/rounds",
    f"sqlite://rounds:{SECRET}@x/rounds.db",
    f"postgresql:/rounds:{SECRET}@127.0.0.1/rounds",
    f"postgresql+psycopg://rounds:a@{SECRET}@127.0.0.1:1/rounds",
    f"postgresql+psycopg://rounds:a@b/{SECRET}@127.0.0.1:1/rounds",
    f"postgresql+psycopg://rounds:a@b?{SECRET}@127.0.0.1:1/rounds",
    f"s3://AKIA:{SECRET}@bucket/prefix",
    f"s3://AKIA:a/{SECRET}@bucket/prefix",
    f"http://rounds:{SECRET}@h/store",
]


@pytest.mark.parametrize("option", ["--database-url", "--store-url"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_init_never_repeats_a_password(
    tmp_path: Path, address: str, option: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if option == "--store-url" and "://" not in address:
        pytest.skip("without :// it is a directory")
    monkeypatch.setattr("sys.argv", ["rounds", "init", str(tmp_path / "p"), option, address])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = "".join(capfd.readouterr())
    assert ended.value.code == 2
    assert SECRET not in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["backup", f"s3://k:{SECRET}@b/x"],
        ["backup", f"http://k:{SECRET}@b/x", "--verify"],
        ["restore", f"s3://k:{SECRET}@b/x", "p"],
        ["--project", f"s3://k:{SECRET}@b/x", "status"],
        ["init", f"s3://k:{SECRET}@b/x"],
        ["backbone", "show", f"https://k:{SECRET}@b/x"],
        ["import", f"s3://k:{SECRET}@b/x"],
        ["jobs", "cancel", f"s3://k:{SECRET}@b/x"],
        ["jobs", f"s3://k:{SECRET}@b/x"],
        [f"s3://k:{SECRET}@b/x"],
    ],
    ids=lambda words: " ".join(words[:2]).partition(":")[0],
)
def test_an_address_where_something_of_this_machine_is_expected_is_refused_without_its_password(
    project: Project, words: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setattr("sys.argv", ["rounds", *words])
    before = set(project.root.iterdir())
    with pytest.raises(SystemExit) as ended:
        main()
    printed = "".join(capfd.readouterr())
    assert (ended.value.code, SECRET in printed) == (2, False)
    assert set(project.root.iterdir()) - before <= {project.root / "rounds.db-wal", project.root / "rounds.db-shm"}


@pytest.mark.parametrize(
    "store", ["ftp://h/x", "http://h/x", "gs://b/x", "file:///x", "s3://", "s3:///x", "s3://b::x", f"s3://{SECRET}@b"]
)
def test_a_store_that_is_neither_a_directory_nor_s3_is_refused_when_settings_are_read(
    tmp_path: Path, store: str
) -> None:
    (tmp_path / "rounds.toml").write_text(f'store_url = "{store}"\n')
    with pytest.raises(
        BadInput, match=r"expected a store_url that is a directory or s3://BUCKET/PREFIX, got"
    ) as refused:
        read_settings(tmp_path)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("store", ["store", "/data/a@b:c", "s3://bucket", "s3://bucket/a@b", "s3a://bucket/p"])
def test_a_directory_and_s3_are_stores(tmp_path: Path, store: str) -> None:
    (tmp_path / "rounds.toml").write_text(f'store_url = "{store}"\n')
    assert read_settings(tmp_path).store_url == store


@pytest.mark.parametrize("option", ["bogus=1", "connect_timeout=abc"])
def test_an_option_that_the_database_client_does_not_know_is_one_line(option: str) -> None:
    database = Database(f"postgresql+psycopg://rounds:{SECRET}@127.0.0.1:1/rounds?{option}")
    with pytest.raises(BadInput, match=f"{option.partition('=')[0]}.*Correct database_url") as refused:
        database.check_revision()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"got 'postgresql+psycopg://rounds:{SECRET}@h/d'.",
        f"https://rounds:{SECRET}/x@@h:80/d and more",
        f"s3://KEY:{SECRET}@bucket/prefix",
        f"postgresql://h/d?sslmode=require&password={SECRET}&x=1",
        f"s3://bucket/p?secret_key={SECRET}",
        f"https://h/d?client_secret={SECRET}&access_token={SECRET}",
    ],
)
def test_a_text_keeps_everything_but_the_password(text: str) -> None:
    assert hide_passwords(text) == text.replace(f"{SECRET}/x@", "***").replace(SECRET, "***")
    assert SECRET not in str(BadInput(text))


@pytest.mark.parametrize(
    "text", ["sqlite:////data/rounds.db", "https://host:8080/path", "a: b@c.example", "s3://bucket/a:b", "x=1&key"]
)
def test_a_text_without_a_password_stays_as_it_is(text: str) -> None:
    assert hide_passwords(text) == text


def test_settings_name_the_key_that_is_wrong_and_not_its_value(tmp_path: Path) -> None:
    (tmp_path / "rounds.toml").write_text(
        f'database_ur = "postgresql://rounds:{SECRET}@h/d"\nsecrets_directory = ["{SECRET}"]\n'
        f'[oidc]\nissuer = "https://login.example.org"\nclient_id = "rounds"\nclient_secret = "{SECRET}"\n'
    )
    with pytest.raises(BadInput, match="database_ur: Extra inputs") as refused:
        read_settings(tmp_path)
    assert SECRET not in str(refused.value)
    assert "oidc.client_secret" in str(refused.value)


def test_a_project_shows_no_password(tmp_path: Path) -> None:
    (tmp_path / "rounds.toml").write_text(f'database_url = "postgresql://rounds:{SECRET}@h/d"\nstore_url = "s3://b"\n')
    project = Project.open(tmp_path)
    shown = f"{project!r} {project.settings!r} {project.database.engine!r} {project.database.place}"
    assert SECRET not in shown


def test_a_database_with_tables_is_refused_without_its_password(database: Database) -> None:
    address = parse_url(database.url).set(password=SECRET)
    if address.get_backend_name() == "sqlite":
        pytest.skip("a file has no password")
    with pytest.raises(RoundsError, match="tables already") as refused:
        load_copy("postgresql", Path("nothing"), address)
    assert SECRET not in str(refused.value)
    assert "***" in place_of(address)


def test_a_password_in_a_query_reaches_no_command_line(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other accounts of the machine see it, in the list of processes."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("a file is copied by no program")
    pg_dump = tmp_path / "pg_dump"
    pg_dump.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho "$PGPASSWORD" > {tmp_path}/password\n')
    pg_dump.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    address = parse_url(database.url).update_query_dict({"password": SECRET, "application_name": "backup"})
    copied = Database(address)
    with copied_state(copied, tmp_path / "copy"):
        pass
    copied.dispose()
    assert SECRET not in (tmp_path / "arguments").read_text()
    assert "application_name=backup" in (tmp_path / "arguments").read_text()
    assert (tmp_path / "password").read_text().strip() == SECRET


@pytest.mark.parametrize("address", ADDRESSES[:3])
def test_the_programs_of_postgresql_are_given_a_password_in_their_environment(address: str) -> None:
    options, variables = program_address(parse_url(address))
    assert SECRET not in " ".join(options)
    assert variables == {"PGPASSWORD": SECRET}


def test_a_passphrase_of_a_key_in_an_address_is_refused_where_others_could_read_it() -> None:
    with pytest.raises(BadInput, match="without sslpassword") as refused:
        program_address(parse_url(f"postgresql+psycopg://h/d?sslpassword={SECRET}"))
    assert SECRET not in str(refused.value)


def test_the_command_on_a_card_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["rounds", "train", "--backbone", f"https://me:{SECRET}@h/x"])
    assert this_command() == "rounds train --backbone https://me:***@h/x"


def print_address(*_: object) -> None:
    """A job that fails with an address in its error."""
    raise OperationalError(f"could not reach postgresql://rounds:{SECRET}@h/d", {}, ValueError("x"))


def test_a_failed_job_keeps_no_password(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNNERS, "print", "tests.curation.test_hidden_passwords:print_address")
    with project.database.write() as session:
        job_id = enqueue(session, NOW, "print", {}).id
    assert run_one(project, "me", threading.Event(), quiet=True)
    with project.database.read() as session:
        error = session.get_one(Job, job_id).error or ""
    assert "rounds:***@h/d" in error
    assert SECRET not in error


def test_a_store_that_cannot_be_opened_shows_no_key() -> None:
    with pytest.raises((BadInput, Unavailable)) as refused:
        ImageStore(f"nothing://KEY:{SECRET}@bucket/prefix")
    assert SECRET not in str(refused.value)


def links_of_libraries() -> list[str]:
    """Messages as the installed libraries write them."""
    made = []
    with create_engine("sqlite://").connect() as connection, pytest.raises(OperationalError) as refused:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")
    made.append(str(refused.value))
    with pytest.raises(ValidationError) as invalid:
        TypeAdapter(int).validate_python("x")
    made.append(str(invalid.value))
    return made


def test_no_message_carries_the_link_of_a_library_and_each_keeps_the_rest() -> None:
    for text in links_of_libraries():
        assert "https://" in text
        for shown in (plain_message(text), str(RoundsError(text))):
            assert "http" not in shown
            assert "For further" not in shown
            assert "Background" not in shown
            assert shown.splitlines()[:2] == [line.rstrip() for line in text.splitlines()[:2]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Check https://huggingface.co/docs/hub/models.", "Check (a page of its library)."),
        ("open an issue on https://github.com/a/b/issues, please", "open an issue on (a page of its library), please"),
        ("as 'https://docs.pytorch.org/x?y=1#z' says", "as '(a page of its library)' says"),
        ("see <https://monai.readthedocs.io/en/stable>", "see <(a page of its library)>"),
    ],
)
def test_a_link_in_words_that_are_not_known_goes_and_its_place_is_told(text: str, shown: str) -> None:
    assert plain_message(text) == str(RoundsError(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "the store https://host:8080/path cannot be read.",
        "expected https://x.example (see rounds.toml).",
        "the provider https://login.hospital.example/realms/x does not answer",
        "the store https://minio.docs-archive.example/a cannot be read.",
        "got 'https://github.com.example/x'.",
    ],
)
def test_an_address_that_the_user_gave_stays(text: str) -> None:
    assert plain_message(text) == text


def test_a_command_that_fails_shows_where_without_a_librarys_link(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        create_engine("sqlite://").connect().exec_driver_sql("SELECT 1 FROM nowhere")

    monkeypatch.setattr("cli.main.rounds", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "no such table: nowhere" in said
    assert "Traceback" in said
    assert "http" not in said


def test_the_log_of_the_server_carries_no_link_of_a_library() -> None:
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, links_of_libraries()[0], None, None)
    assert PlainFormatter().format(record).startswith("ERROR: (sqlite3.OperationalError) no such table: nowhere")
    assert "http" not in PlainFormatter().format(record)
