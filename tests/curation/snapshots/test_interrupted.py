"""An interrupted or refused build leaves nothing that counts; two at once are one build."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from curation.errors import BadInput, Conflict, NotFound, RoundsError
from curation.image_store import ImageStore
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot, find_snapshot, list_snapshots
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.mix import MixRecipe
from curation.tables.images import BuildStatus
from curation.tables.operations import Event
from curation.tables.training import Snapshot, SnapshotItem
from curation.verification.snapshot_folders import verify_folder
from curation.verification.verify import verify_project
from tests.curation.snapshots.filled import fill
from tests.rows import NOW

ROOT = Path(__file__).parents[3]
# Builds `one` and dies without a word: after some pictures, after the rename, after the first rows.
KILLED = """
import os, sys
from pathlib import Path
import curation.snapshots.build as build
from curation.progress import silent
from curation.project import Project
from curation.snapshots.mix import MixRecipe
from tests.rows import NOW

project, where = Project.open(Path(sys.argv[1])), sys.argv[2]
die = lambda *_: os._exit(9)
build.REPORT_EVERY = 3
if where == "rename":
    build._freeze = die
elif where == "rows":
    project.chain.__class__.record = die
build.build_snapshot(project, "one", MixRecipe(), NOW, die if where == "pictures" else silent)
"""


def counted(project: Project) -> tuple[int, int, int]:
    """Ready snapshots, their items, and events of builds."""
    with project.database.read() as session:
        ready = session.scalar(select(func.count()).where(Snapshot.status == BuildStatus.READY)) or 0
        items = session.scalar(select(func.count()).select_from(SnapshotItem)) or 0
        events = session.scalar(select(func.count()).where(Event.kind == "snapshot.built")) or 0
    return ready, items, events


@pytest.mark.slow
@pytest.mark.parametrize("where", ["pictures", "rename", "rows"])
def test_a_killed_build_counts_for_nothing_and_the_next_takes_its_place(project: Project, where: str) -> None:
    fill(project)
    before = verify_project(project, silent).faults  # rows written by hand count no readers
    project.database.dispose()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(project.root), where]
    assert subprocess.run(command, env=environment, cwd=ROOT).returncode == 9
    with project.database.read() as session:
        assert [summary.status for summary in list_snapshots(session)] == ["unfinished"]
        with pytest.raises(NotFound, match="has not finished"):
            find_snapshot(session, "one")
    assert verify_project(project, silent).faults == before
    recipe = MixRecipe(synthetic="none") if where == "rows" else MixRecipe()
    folder = build_snapshot(project, "one", recipe, NOW, silent)
    assert verify_folder(folder, silent) == []
    assert counted(project) == (1, sum(len(folder.rows(split)) for split in ("train", "validation", "test")), 1)
    assert [path.name for path in project.directory("snapshots").iterdir()] == ["one"]


def test_of_two_builds_at_once_one_gets_a_conflict(project: Project) -> None:
    fill(project)
    inside: list[str] = []

    def report(done: int, total: int, note: str | None) -> None:
        if not inside:
            inside.append("first")
            with pytest.raises(Conflict, match="being built by someone else at this moment"):
                build_snapshot(project, "one", MixRecipe(), NOW, silent)

    build_snapshot(project, "one", MixRecipe(), NOW, report)
    assert inside
    assert counted(project)[0] == 1


def test_many_builds_at_once_leave_one_whole_snapshot(project: Project) -> None:
    fill(project)

    def build(number: int) -> str:
        try:
            return build_snapshot(project, "one", MixRecipe(synthetic="raw"), NOW, silent).digest
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(build, range(6)))
    assert len(answers - {"conflict"}) == 1
    assert counted(project)[0] == 1
    assert counted(project)[2] == 1
    assert verify_folder(SnapshotFolder.open(project.root / "snapshots" / "one"), silent) == []


def test_a_full_disk_is_said_and_leaves_no_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project)
    place: Callable[..., None] = ImageStore.place
    placed: list[str] = []

    def full(store: ImageStore, digest: str, target: Path) -> None:
        if len(placed) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        placed.append(digest)
        place(store, digest, target)

    with monkeypatch.context() as patch:
        patch.setattr(ImageStore, "place", full)
        with pytest.raises(RoundsError, match=r"No space left on device\. Nothing of it counts"):
            build_snapshot(project, "one", MixRecipe(), NOW, silent)
    assert list(project.directory("snapshots").iterdir()) == []
    assert counted(project) == (0, 0, 0)
    assert verify_folder(build_snapshot(project, "one", MixRecipe(), NOW, silent), silent) == []


def test_pictures_are_linked_where_the_file_system_can_and_read_only(project: Project) -> None:
    fill(project)
    folder = build_snapshot(project, "one", MixRecipe(), NOW, silent)
    row = folder.rows("train")[0]
    stored = project.root / "store" / row.file_sha256[:2] / f"{row.file_sha256}.png"
    placed = folder.path / "train" / row.file_name
    assert placed.stat().st_ino == stored.stat().st_ino
    assert placed.stat().st_mode & 0o222 == 0


def test_a_store_elsewhere_is_copied_from(tmp_path: Path) -> None:
    store = ImageStore("memory://elsewhere/store")
    store.prepare()
    digest = store.put(b"not really a picture")
    store.place(digest, tmp_path / "here.png")
    assert (tmp_path / "here.png").read_bytes() == b"not really a picture"
    with pytest.raises(NotFound, match="is its disk mounted"):
        ImageStore(str(tmp_path / "store")).place("0" * 64, tmp_path / "there.png")


@pytest.mark.parametrize("name", ["../one", "", ".one", "a/b", "two words", "x" * 101])
def test_a_name_that_is_no_folder_name_is_refused(project: Project, name: str) -> None:
    fill(project)
    with pytest.raises(BadInput, match=r"snapshot name .* expected up to 100 letters"):
        build_snapshot(project, name, MixRecipe(), NOW, silent)
