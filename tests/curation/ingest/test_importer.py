"""Importing is all or nothing, and doing it twice is doing it once; on both databases."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update

from curation.database import Database
from curation.errors import Conflict
from curation.ingest import import_rows
from curation.ingest.importer import import_source
from curation.ingest.incoming import Geometry, IncomingImage, Rejected, Source
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Mask, Origin, Split, Subject
from curation.tables.operations import Event
from tests.projects import new_project
from tests.rows import NOW, picture, stored

COUNT = 40
ROOT = Path(__file__).parents[3]


@pytest.fixture
def both(database: Database, tmp_path: Path) -> Iterator[Project]:
    """A project on SQLite, then one on PostgreSQL."""
    project = new_project(tmp_path / "both", "both", database.url, "store")
    yield project
    project.database.dispose()


def _items(count: int = COUNT, fail_at: int | None = None) -> Iterator[IncomingImage | Rejected]:
    for number in range(count):
        if number == fail_at:
            raise OSError("the disk went away")
        label = ("normal", "ring_lesion")[number % 2]
        mask = np.ones((16, 16), np.uint8)
        yield IncomingImage(
            f"{number:03d}.png",
            picture(number),
            label,
            f"p{number // 2}",
            geometry=Geometry(spacing_mm=(2.0, 3.0)),
            masks={"lesion": mask} if number % 2 else {},
        )


def _source(count: int = COUNT, fail_at: int | None = None, name: str = "clinic") -> Source:
    return Source(name, f"digest of {count}", _items(count, fail_at), count, notice="for research")


def _rows(project: Project) -> dict[str, int]:
    with project.database.read() as session:
        models = (Image, ImageLabel, Mask, Subject, Event)
        return {model.__tablename__: session.scalar(select(func.count()).select_from(model)) or 0 for model in models}


def _statuses(project: Project) -> list[BuildStatus]:
    with project.database.read() as session:
        return list(session.scalars(select(Import.status)))


def test_an_import_writes_images_subjects_labels_masks_geometry_and_events(both: Project) -> None:
    report = import_source(both, NOW, _source())
    assert (report.added, report.already, report.rejected) == (COUNT, 0, [])
    assert _rows(both) == {"images": 40, "image_labels": 40, "masks": 20, "subjects": 20, "events": 2}
    with both.database.read() as session:
        image = session.scalars(select(Image).where(Image.source_file == "007.png")).one()
        assert image.subject is not None
        assert (image.origin, image.subject.key, image.subject.known) == (Origin.REAL, "p3", True)
        assert (image.height, image.width, image.channels, image.bits) == (16, 16, 1, 8)
        assert (image.spacing_row_mm, image.spacing_column_mm) == (2.0, 3.0)
        assert [label.label.name for label in image.labels] == ["ring_lesion"]
        assert np.array_equal(both.store.pixels(image.file_sha256), picture(7))
        assert both.chain.verify(session, both.anchors_path).faults == []
    assert sum(sum(labels.values()) for labels in report.counts.values()) == COUNT


def test_the_same_source_twice_adds_nothing(both: Project) -> None:
    first = import_source(both, NOW, _source())
    rows = _rows(both)
    second = import_source(both, NOW, _source(name="by another name"))
    assert (second.added, second.already, second.repeated) == (0, COUNT, True)
    assert second.counts == first.counts
    assert _rows(both) == rows


def test_a_source_that_has_grown_adds_what_is_new_and_keeps_every_subject_in_its_split(both: Project) -> None:
    import_source(both, NOW, _source(30))
    with both.database.read() as session:
        before = {subject.key: subject.split for subject in session.scalars(select(Subject))}
    report = import_source(both, NOW, _source(COUNT), seed=5)
    assert (report.added, report.already) == (10, 30)
    with both.database.read() as session:
        after = {subject.key: subject.split for subject in session.scalars(select(Subject))}
    assert before.items() <= after.items()
    assert _rows(both)["images"] == COUNT


def test_an_import_that_fails_midway_leaves_nothing_and_its_repeat_is_whole(
    both: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_rows, "CHUNK", 7)
    with pytest.raises(OSError, match="the disk went away"):
        import_source(both, NOW, _source(fail_at=25))
    assert set(_rows(both).values()) == {0}
    assert _statuses(both) == [BuildStatus.FAILED]

    def stop_while_recording(done: int, total: int, note: str | None) -> None:
        if note == "recording" and done >= 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_source(both, NOW, _source(), on_progress=stop_while_recording)
    assert set(_rows(both).values()) == {0}
    assert import_source(both, NOW, _source()).added == COUNT
    assert _statuses(both) == [BuildStatus.READY]


KILLED_MIDWAY = """
import os, signal, sys
from pathlib import Path
from curation.ingest import import_rows
from curation.ingest.importer import import_source
from curation.project import Project
from tests.curation.ingest.test_importer import NOW, _source
import_rows.CHUNK = 7
die = lambda done, total, note: note == "recording" and os.kill(os.getpid(), signal.SIGKILL)
import_source(Project.open(Path(sys.argv[1])), NOW, _source(), on_progress=die)
"""


@pytest.mark.slow
def test_what_a_killed_import_left_counts_for_nothing_and_the_next_import_removes_it(project: Project) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_MIDWAY, str(project.root)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert _rows(project)["images"] == 7
    assert _statuses(project) == [BuildStatus.BUILDING]
    report = import_source(project, NOW, Source("other", "other", _items(10), 10))
    assert (report.added, report.already) == (10, 0)
    assert _rows(project)["images"] == 10
    assert import_source(project, NOW, _source()).added == COUNT - 10


def test_two_imports_at_once_are_refused_and_nothing_of_the_running_one_is_touched(both: Project) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[IncomingImage | Rejected]:
        for position, item in enumerate(_items()):
            if position == 20:
                started.set()
                go_on.wait(20)
            yield item

    added: list[int] = []
    source = Source("slow", "slow", slow(), COUNT)
    thread = threading.Thread(target=lambda: added.append(import_source(both, NOW, source).added))
    thread.start()
    assert started.wait(20)
    with pytest.raises(Conflict, match="another import is running"):
        import_source(both, NOW, _source())
    go_on.set()
    thread.join()
    assert added == [COUNT]


def test_pictures_without_subjects_are_each_their_own_marked_and_said(project: Project) -> None:
    items = [IncomingImage(f"{n}.png", picture(n), "normal", split=Split.TRAIN) for n in range(3)]
    report = import_source(project, NOW, Source("anonymous", "x", items, 3))
    assert not report.subjects_known
    assert "3 pictures have no subject" in report.notes[0]
    with project.database.read() as session:
        assert [subject.known for subject in session.scalars(select(Subject))] == [False] * 3
        assert session.scalars(select(Import.subjects_known)).one() is False


def test_pictures_of_another_shape_or_depth_and_unusable_labels_are_listed(project: Project) -> None:
    deep = picture(3).astype(np.uint16)
    items: list[IncomingImage | Rejected] = [
        IncomingImage("good.png", picture(0), "normal"),
        IncomingImage("small.png", picture(1, size=8), "normal"),
        IncomingImage("deep.png", deep, "normal"),
        IncomingImage("nameless.png", picture(2), "  "),
        IncomingImage("blank.png", np.full((16, 16, 1), 9, np.uint8), "normal"),
        Rejected("broken.png", "unreadable"),
    ]
    report = import_source(project, NOW, Source("mixed", "x", items, len(items)))
    assert report.added == 1
    assert {fault.source_file: fault.reason for fault in report.rejected} == {
        "small.png": "expected 16x16 gray, 8 bit as the pictures before it, got 8x8 gray, 8 bit",
        "deep.png": "expected 16x16 gray, 8 bit as the pictures before it, got 16x16 gray, 16 bit",
        "nameless.png": "expected a label of 1 to 100 characters, got ''",
        "blank.png": "blank: one value everywhere",
        "broken.png": "unreadable",
    }


def test_a_source_in_which_nothing_is_usable_leaves_no_row_so_it_can_be_tried_again(project: Project) -> None:
    report = import_source(project, NOW, Source("bad", "x", [Rejected("a.png", "unreadable")], 1))
    assert (report.added, len(report.rejected)) == (0, 1)
    assert _statuses(project) == []


def test_nobody_counts_the_images_of_an_unfinished_import(project: Project) -> None:
    import_source(project, NOW, _source())
    with project.database.write() as session:
        session.execute(update(Import).values(status=BuildStatus.BUILDING))
    with project.database.read() as session:
        assert session.scalars(select(Image).where(is_ready_real())).all() == []


def test_a_withdrawn_subject_and_a_withdrawn_picture_do_not_come_in_again_and_leave_no_file(project: Project) -> None:
    import_source(project, NOW, _source(4))
    with project.database.write() as session:
        withdrawn = session.scalars(select(Image).where(Image.source_file == "000.png")).one()
        session.execute(update(Image).where(Image.subject_id == withdrawn.subject_id).values(withdrawn_at=NOW))
        session.execute(update(Subject).where(Subject.id == withdrawn.subject_id).values(withdrawn_at=NOW))
    before = stored(project)
    items = [
        IncomingImage("another picture.png", picture(50), "normal", "p0"),
        IncomingImage("another name.png", picture(0), "normal", "p9"),
        IncomingImage("fine.png", picture(51), "normal", "p9"),
    ]
    report = import_source(project, NOW, Source("again", "again", items, 3))
    assert report.added == 1
    assert {fault.source_file for fault in report.rejected} == {"another picture.png", "another name.png"}
    assert all(fault.reason.startswith("withdrawn") for fault in report.rejected)
    assert len(stored(project) - before) == 1


def test_what_is_left_out_after_it_was_read_leaves_no_file(project: Project) -> None:
    items = [
        IncomingImage("kept.png", picture(0), "normal", "p0", Split.TRAIN),
        IncomingImage("elsewhere.png", picture(0), "normal", "p1", Split.TEST),
        IncomingImage("in two.png", picture(2), "normal", "p2", Split.TEST, masks={"m": np.eye(16, dtype=np.uint8)}),
        IncomingImage("in two as well.png", picture(3), "normal", "p2", Split.TRAIN),
        IncomingImage("small.png", picture(4, size=8), "normal", "p4"),
    ]
    report = import_source(project, NOW, Source("some", "some", items, len(items)))
    assert report.added == 1
    with project.database.read() as session:
        assert stored(project) == {session.scalars(select(Image.file_sha256)).one()}
