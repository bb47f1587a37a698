"""Imports that a command queues and a worker does."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage
from sqlalchemy import func, select

from cli.main import rounds
from cli.terminal import now
from curation.errors import BadInput, NotFound
from curation.ingest.import_job import SourceRequest, run_import_job
from curation.jobs import cancel as cancel_job
from curation.locks import one_import_at_a_time
from curation.project import Project
from curation.tables.images import BuildStatus, Image, Import
from curation.tables.operations import JobStatus
from tests.cli.queueing import job_of, queue, work
from tests.rows import picture


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Two classes with twenty pictures each."""
    for number in range(40):
        path = tmp_path / "cells" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(picture(number)[:, :, 0]).save(path)
    return tmp_path / "cells"


def test_a_queued_import_keeps_its_path_in_full_and_stopped_midway_leaves_no_rows(
    project: Project, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cells.parent)
    job = queue(project, "import", "cells", "--name", "ours")
    assert job_of(project, job).payload["source"] == str(cells)
    assert work(project, reports=1)
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Image)) == 0
    assert work(project)
    done = job_of(project, job)
    assert (done.status, done.done, done.total) == (JobStatus.DONE, 40, 40)
    assert done.note == "40 added, 0 here already, 0 left out"
    with project.database.read() as session:
        [imported] = session.scalars(select(Import)).all()
    assert (imported.status, imported.source) == (BuildStatus.READY, "ours")
    again = queue(project, "import", "cells", "--name", "ours")
    assert work(project)
    assert job_of(project, again).note == "0 added, 40 here already, 0 left out"


def test_an_import_whose_source_is_missing_is_not_queued_and_one_whose_source_went_says_so(
    project: Project, cells: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="a directory, a table or a file"):
        queue(project, "import", str(tmp_path / "nowhere"))
    with pytest.raises(NotFound, match=r"x\.npz does not exist. A queued import needs its source"):
        queue(project, "import", str(tmp_path / "x.npz"))
    with pytest.raises(BadInput, match="--size is for a directory"):
        queue(project, "import", "virtual-brains:4", "--size", "64")
    job = queue(project, "import", str(cells))
    cells.rename(tmp_path / "elsewhere")
    assert work(project)
    failed = job_of(project, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error == (
        f"{cells} is not there any more, or not on the machine of this worker. "
        "Put it back, or run `rounds import` where it is."
    )


def test_an_import_of_nothing_usable_fails_with_the_reasons_and_no_file_name(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bad" / "a").mkdir(parents=True)
    for name in ("jane_doe.png", "john_doe.png"):
        (tmp_path / "bad" / "a" / name).write_text("no picture")
    job = queue(project, "import", str(tmp_path / "bad"))
    assert work(project)
    error = job_of(project, job).error or ""
    assert "nothing in bad could be imported: 2 files: not a PNG" in error
    assert "doe" not in error


def test_a_done_or_cancelled_import_forgets_the_files_that_it_named_and_a_failed_one_keeps_them(
    project: Project, cells: Path, tmp_path: Path
) -> None:
    first = queue(project, "import", str(cells))
    with project.database.write() as session:
        cancel_job(session, now(), first)
    assert job_of(project, first).payload == {}
    assert queue(project, "import", str(cells)) == first
    assert job_of(project, first).payload["source"] == str(cells)
    cells.rename(tmp_path / "away")
    assert work(project)
    assert job_of(project, first).payload["source"] == str(cells)
    (tmp_path / "away").rename(cells)
    assert queue(project, "import", str(cells)) == first
    assert work(project)
    done = job_of(project, first)
    assert (done.status, done.payload, done.note) == (JobStatus.DONE, {}, "40 added, 0 here already, 0 left out")
    assert queue(project, "import", str(cells)) != first


def test_a_queued_import_waits_for_the_one_that_is_running_and_says_so(
    project: Project, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, notes = SourceRequest(source=str(cells)), []
    monkeypatch.setattr("curation.ingest.import_job._ASK_AGAIN_S", 0.01)
    with ExitStack() as other:
        other.enter_context(one_import_at_a_time(project))

        def report(_done: int, _total: int, note: str | None = None) -> None:
            notes.append(note)
            if notes.count(notes[0]) == 2:
                other.close()

        run_import_job(project, request.model_dump(mode="json"), report)
    assert notes[:2] == ["another import is running in this project: this one waits for it"] * 2
    assert notes[-1] == "40 added, 0 here already, 0 left out"


def test_a_queued_import_that_a_table_stops_names_no_file_in_its_error(project: Project, cells: Path) -> None:
    (cells / "metadata.csv").write_text("file,subject\na/jane_doe.png,p1\n")
    job = queue(project, "import", str(cells))
    assert work(project)
    error = job_of(project, job).error or ""
    assert "metadata.csv was to give subjects, and misses 40 of 40 pictures; 1 of its rows fit no picture" in error
    assert "jane" not in error
    assert ".png" not in error
    allowed = queue(project, "import", str(cells), "--allow-unmatched")
    assert job_of(project, allowed).payload["options"]["allow_unmatched"] is True
    assert work(project)
    assert job_of(project, allowed).status is JobStatus.DONE


def test_a_dry_run_is_not_queued(project: Project, cells: Path) -> None:
    arguments = ["--project", str(project.root), "import", str(cells), "--dry-run", "--queue"]
    assert "--queue goes without --dry-run" in CliRunner().invoke(rounds, arguments).output
