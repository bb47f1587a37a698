"""A full or read-only disk gives an error that says what to do, and leaves nothing half-written."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from curation.database import Database
from curation.errors import Unavailable
from curation.image_store import ImageStore
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import silent
from curation.project import Project
from curation.store_errors import describe_disk_error
from curation.tables.images import Image, Label, Split
from curation.verification.verify import verify_project
from tests.processes import fork
from tests.projects import new_project
from tests.rows import NOW, picture
from tests.small_disk import close_for_writing, small_disk

NOBODY = 65534


def fill_up(directory: Path) -> Path:
    """A file that takes all the room there is."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4096):
                pass
        except OSError:
            return filler
    return filler


def bring(project: Project, count: int = 40) -> ImportReport:
    """Import pictures of 64 pixels, about 4 kB each."""
    items = [IncomingImage(f"{n}.png", picture(n, 64), "normal", f"p{n}", Split.TRAIN) for n in range(count)]
    return import_source(project, NOW, Source("pictures", f"{count} pictures", items, count))


def write_without_end(database: Database) -> None:
    """Transactions of fifty rows each."""
    for number in range(1_000):
        with database.write() as session:
            session.add_all(Label(name=f"{number}-{n}-{'x' * 80}") for n in range(50))


def images(project: Project) -> int:
    with project.database.read() as session:
        return session.scalar(select(func.count()).select_from(Image)) or 0


@pytest.fixture
def on_small_disk(tmp_path: Path, migrated_file: Path) -> Iterator[tuple[Project, Path]]:
    """A project whose store alone lies on a disk of 100 kB."""
    with small_disk(tmp_path / "small", 100) as small:
        root = tmp_path / "project"
        new_project(root, "small", "sqlite:///rounds.db", str(small / "store"))
        (root / "rounds.db").write_bytes(migrated_file.read_bytes())
        project = Project.open(root)
        yield project, small
        project.database.dispose()


@pytest.mark.slow
def test_an_import_into_a_full_store_leaves_no_row_and_no_half_file(on_small_disk: tuple[Project, Path]) -> None:
    project, small = on_small_disk
    with pytest.raises(Unavailable, match=r"No space left.*Free some space, then do the same again"):
        bring(project)
    assert images(project) == 0
    verification = verify_project(project, silent)
    assert (verification.faults, verification.unfinished) == ([], [])
    assert verification.orphans  # what was stored before it was full, harmless
    subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
    assert bring(project).added == 40
    verification = verify_project(project, silent, pixels=True)
    assert (verification.faults, verification.orphans) == ([], [])


@pytest.mark.slow
def test_a_store_that_is_closed_for_writing_says_who_may_not_write(on_small_disk: tuple[Project, Path]) -> None:
    project, small = on_small_disk
    assert bring(project, 4).added == 4
    close_for_writing(small)
    with pytest.raises(Unavailable, match=r"Read-only file system.*Let the account"):
        bring(project, 8)
    assert images(project) == 4
    assert verify_project(project, silent).faults == []


def _refusals(closed: Path, told: Connection) -> None:
    """Read a file and a folder that are closed, and write into one that may be read, as an account without rights."""
    os.setuid(NOBODY)
    ways: list[Callable[[], object]] = [
        (closed / "file").read_bytes,
        (closed / "folder" / "file").read_bytes,
        lambda: (closed / "new").write_bytes(b"x"),
    ]
    for way in ways:
        try:
            way()
        except OSError as error:
            told.send(describe_disk_error(error))


@pytest.mark.skipif(os.geteuid() != 0, reason="another account can be taken by root only")
def test_what_may_not_be_read_is_not_said_to_be_unwritable() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        closed = Path(made)
        (closed / "folder").mkdir()
        for file in (closed / "file", closed / "folder" / "file"):
            file.write_bytes(b"x")
        for place, mode in ((closed / "file", 0), (closed / "folder", 0), (closed, 0o755)):
            place.chmod(mode)
        here, there = Pipe()
        fork(_refusals, closed, there).join(60)
        told = [here.recv() for _ in range(3)]
        (closed / "folder").chmod(0o755)
    account_reads = f"Permission denied. Let the account {NOBODY} read there (on S3: its keys), then do it again."
    assert told[0] == f"{closed}/file cannot be read: {account_reads}"
    assert told[1] == f"{closed}/folder/file cannot be read: {account_reads}"
    assert told[2].startswith(f"{closed}/new cannot be written: Permission denied. Let the account {NOBODY} write")


@pytest.mark.slow
def test_the_first_byte_beyond_a_quota_leaves_nothing_under_a_final_name(tmp_path: Path) -> None:
    """The limit of a process on a file's size does what a quota does, and needs no root."""
    program = (
        "import resource, signal, sys\nfrom curation.errors import Unavailable\n"
        "from curation.image_store import ImageStore\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    ImageStore(sys.argv[1]).put(b'x' * 5000)\nexcept Unavailable as error:\n    print(error)\n"
    )
    ImageStore(str(tmp_path / "store")).prepare()
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store")], check=True, capture_output=True, text=True
    ).stdout
    assert "Free some space" in output
    assert ImageStore(str(tmp_path / "store")).files() == set()


def test_a_full_disk_under_the_database_keeps_nothing_of_a_transaction_and_goes_on_later(
    tmp_path: Path, migrated_file: Path
) -> None:
    size = migrated_file.stat().st_size // 1024
    with small_disk(tmp_path / "small", size + 500) as small:
        (small / "rounds.db").write_bytes(migrated_file.read_bytes())
        database = Database(f"sqlite:///{small / 'rounds.db'}")
        filler = fill_up(small)
        with pytest.raises(Unavailable, match=r"nothing was saved. Free some space"):
            write_without_end(database)
        filler.unlink()
        with database.write() as session:
            kept = session.scalar(select(func.count()).select_from(Label)) or 0
            assert kept % 50 == 0
            session.add(Label(name="again"))
        database.dispose()


def test_a_database_that_is_closed_for_writing_is_told_so(tmp_path: Path, migrated_file: Path) -> None:
    with small_disk(tmp_path / "small", 4_000) as small:
        (small / "rounds.db").write_bytes(migrated_file.read_bytes())
        close_for_writing(small)
        database = Database(f"sqlite:///{small / 'rounds.db'}")
        with pytest.raises(Unavailable, match="Let this account write"), database.write() as session:
            session.add(Label(name="a"))
        database.dispose()


def test_a_database_server_that_is_away_is_told_so() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    with pytest.raises(Unavailable, match="See whether the database server runs"), database.read() as session:
        session.scalars(select(Label)).all()
    database.dispose()


def test_a_picture_too_many_costs_only_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 60) as small:
        store = ImageStore(str(small / "store"))
        store.prepare()
        kept = [store.put_pixels(picture(number, 64)) for number in range(5)]
        with pytest.raises(Unavailable):
            store.put_pixels(np.random.default_rng(1).integers(0, 256, (300, 300, 1), dtype=np.uint8))
        assert {name.rsplit("/", 1)[-1] for name in store.files()} == {f"{digest}.png" for digest in kept}
        for digest in kept:
            store.check(digest)
