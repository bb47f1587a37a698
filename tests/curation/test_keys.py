"""A key that is lost is said to be lost, and nothing but a first `rounds init` makes one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import rounds
from curation.errors import BadInput, Conflict, NotFound, RoundsError
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.ingest.pseudonyms import Pseudonyms
from curation.project import AUDIT_KEY, EXPORT_KEY, KEYS, SUBJECTS_KEY, Project
from curation.readers.accounts import add_reader
from curation.tables.images import Split
from review_ui.launch import serve
from tests.rows import NOW, picture


def run(project: Project, *words: str) -> Result:
    """Run a command in the project."""
    return CliRunner().invoke(rounds, ["--project", str(project.root), *words])


def content_of(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a project with its time and its bytes; SQLite's own notes beside the database left out."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith("rounds.db-")]
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture
def recorded(project: Project) -> Project:
    """A project with an import and an account, so with events."""
    items = [IncomingImage(f"{n}.png", picture(n), "normal", f"p{n}", Split.TRAIN) for n in range(2)]
    import_source(project, NOW, Source("two", "two", items, 2))
    with project.database.write() as session:
        add_reader(session, project.chain, NOW, "ada", "a long enough password")
    project.database.dispose()  # SQLite tidies up when the last connection closes
    return Project.open(project.root)


@pytest.mark.parametrize("words", [("verify",), ("audit", "verify"), ("verify", "--sample", "1")])
def test_verification_says_that_the_key_is_missing_and_writes_nothing(
    recorded: Project, words: tuple[str, ...]
) -> None:
    (recorded.root / "secrets" / AUDIT_KEY).unlink()
    before = content_of(recorded.root)
    result = run(recorded, *words)
    assert isinstance(result.exception, RoundsError)
    told = f"{result.output}{result.exception}"
    assert f"secrets/{AUDIT_KEY} is missing" in told
    assert "was altered" not in told
    assert content_of(recorded.root) == before


@pytest.mark.slow
def test_verification_of_a_whole_project_writes_nothing(recorded: Project) -> None:
    before = content_of(recorded.root)
    assert run(recorded, "verify").exit_code == 0
    assert run(recorded, "audit", "verify").exit_code == 0
    assert content_of(recorded.root) == before


@pytest.mark.parametrize("name", KEYS)
def test_no_use_of_a_key_makes_it(project: Project, name: str) -> None:
    path = project.secrets_directory / name
    path.unlink()
    with pytest.raises(NotFound, match=f"{name} is missing: expected the key of {KEYS[name]}"):
        project.secret(name)
    assert not path.exists()
    path.write_bytes(b"short")
    with pytest.raises(BadInput, match="has 5 bytes, expected 32"):
        project.secret(name)


def test_init_does_not_replace_the_key_of_a_chain_that_has_events(recorded: Project) -> None:
    key = recorded.secrets_directory / AUDIT_KEY
    kept = key.read_bytes()
    key.unlink()
    result = run(recorded, "init", str(recorded.root))
    assert isinstance(result.exception, Conflict)
    assert "the database has 3 events under it. Put the key back" in str(result.exception)
    assert not key.exists()
    key.write_bytes(kept)
    assert run(recorded, "init", str(recorded.root)).exit_code == 0
    assert run(recorded, "audit", "verify").exit_code == 0


def test_init_makes_the_keys_that_an_earlier_version_had_not_made_yet(recorded: Project) -> None:
    for name in KEYS:
        if name != AUDIT_KEY:
            (recorded.secrets_directory / name).unlink()
    assert run(recorded, "init", str(recorded.root)).exit_code == 0
    assert {path.name: path.stat().st_mode & 0o777 for path in recorded.secrets_directory.iterdir()} == dict.fromkeys(
        KEYS, 0o600
    )


def test_init_does_not_replace_keys_that_names_were_made_under(recorded: Project) -> None:
    names = Pseudonyms.of(recorded)
    items = [IncomingImage("9.png", picture(9), "normal", names.subject("patient 9"), Split.TRAIN)]
    import_source(recorded, NOW, Source("private", "private", items, 1))
    with recorded.database.write() as session:
        recorded.chain.record(session, "export", {"snapshot": 1}, NOW)
    for name in (SUBJECTS_KEY, EXPORT_KEY):
        (recorded.secrets_directory / name).unlink()
    assert run(recorded, "init", str(recorded.root)).exit_code == 0
    assert not (recorded.secrets_directory / SUBJECTS_KEY).exists()
    assert not (recorded.secrets_directory / EXPORT_KEY).exists()


def test_the_review_server_does_not_start_without_the_key_of_the_chain(recorded: Project) -> None:
    (recorded.secrets_directory / AUDIT_KEY).unlink()
    with pytest.raises(NotFound, match=AUDIT_KEY):
        serve(Project.open(recorded.root), port=0)


@pytest.mark.slow
def test_a_project_that_cannot_be_written_is_verified(recorded: Project) -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()", "--project", str(recorded.root)]
    if os.geteuid() == 0:  # root may write everywhere unless it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv where the tests run as root")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    paths = [recorded.root, *recorded.root.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    before = content_of(recorded.root)
    try:
        for words in (("verify",), ("audit", "verify")):
            result = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
        refused = subprocess.run([*command, "worker", "--until-idle"], capture_output=True, text=True, check=False)
    finally:
        for path in paths:
            path.chmod(path.stat().st_mode | 0o200)
    assert refused.returncode == 2
    assert "Let this account write to the database file and its directory" in refused.stderr
    assert content_of(recorded.root) == before
