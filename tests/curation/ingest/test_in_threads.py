"""Work in threads gives results in order, with few items under way, and raises the first error."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select

from curation.errors import BadInput
from curation.ingest import in_threads as module
from curation.ingest.in_threads import map_in_threads
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.tables.images import Image
from tests.projects import new_project
from tests.rows import NOW


def test_results_come_in_the_order_of_the_things_whatever_takes_longest() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 16 == 0 else 0)
        return number * number

    assert list(map_in_threads(slow_first, range(200), "test")) == [number * number for number in range(200)]


def test_few_things_are_taken_ahead_of_what_was_asked_for() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for number in range(10_000):
            taken.append(number)
            yield number

    results = map_in_threads(lambda number: number, things(), "test")
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 100
    results.close()  # type: ignore[attr-defined]


def test_a_failure_is_raised_at_its_place_and_most_of_the_rest_is_never_begun() -> None:
    done: list[int] = []

    def fail_at_twenty(number: int) -> int:
        if number == 20:
            raise BadInput("number 20 cannot be done")
        done.append(number)
        return number

    seen: list[int] = []
    with pytest.raises(BadInput, match="number 20"):
        seen.extend(map_in_threads(fail_at_twenty, range(10_000), "test"))
    assert seen == list(range(16))  # whole batches of eight
    assert len(done) <= 150


def _folder(directory: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(60):
        suffix = (".png", ".jpg", ".tif")[number % 3]
        plane = rng.integers(0, 255, (64, 64, 3) if number % 5 == 0 else (64, 64), np.uint8)
        path = directory / ("normal", "lesion")[number % 2] / f"{number:02d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(plane).save(path)
    (directory / "normal" / "00.png").write_bytes((directory / "normal" / "30.png").read_bytes()[:200])
    (directory / "lesion" / "01.jpg").write_bytes((directory / "normal" / "04.jpg").read_bytes())
    return directory


def _imported(root: Path, folder: Path) -> tuple[object, list[tuple[object, ...]], dict[str, bytes]]:
    project = new_project(root, "threads", "sqlite:///rounds.db", "store")
    project.database.migrate()
    report = import_image_folder(project, NOW, folder, request=ImportRequest(public_subjects=True)).record()
    with project.database.read() as session:
        images = session.scalars(select(Image).order_by(Image.id)).all()
        rows = [
            (
                image.source_file,
                image.pixel_sha256,
                image.file_sha256,
                image.subject and image.subject.key,
                image.subject.split,
            )
            for image in images
            if image.subject
        ]
    files = {file: (root / "store" / file).read_bytes() for file in project.store.files()}
    project.database.dispose()
    return report, rows, files


@pytest.mark.slow
def test_one_thread_and_several_write_the_same_rows_files_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path / "pictures")
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(module, "_MAX_THREADS", threads)
        monkeypatch.setattr(module.os, "cpu_count", lambda: 4)
        results.append(_imported(tmp_path / f"threads-{threads}", folder))
    assert results[0] == results[1]
    _, rows, files = results[0]
    assert len(rows) > 40
    assert len(files) == len({row[2] for row in rows})
