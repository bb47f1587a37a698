"""Folders and files that are written whole or not at all."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from curation.errors import BadInput, Conflict, NotFound
from curation.files import new_folder, whole_file, whole_folder


def write(target: Path, meanwhile: Path | None = None, disk: Path | None = None) -> None:
    """Write a file into a new folder; on the way make `meanwhile`, or fill up `disk`."""
    with new_folder(target) as folder:
        (folder / "file").write_text("mine")
        assert not target.exists()
        if meanwhile is not None:
            meanwhile.mkdir()
        if disk is not None:
            disk.write_text("x" * 100_000)


def test_a_new_folder_stands_under_its_name_when_the_work_is_done(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_is_left_of_a_new_folder_whose_work_failed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        write(tmp_path / "out", meanwhile=tmp_path / "absent" / "deep")
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_never_overwrites_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Conflict, match="exists already"):
        write(tmp_path / "out")
    with pytest.raises(Conflict, match="exists already"):
        write(tmp_path / "late", meanwhile=tmp_path / "late")
    assert list((tmp_path / "late").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late", "out"]


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent"):
        write(tmp_path / "absent" / "out")


def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No space left"):
        write(tmp_path / "out", disk=Path("/dev/full"))
    assert list(tmp_path.iterdir()) == []


def write_half(writing: AbstractContextManager[Path], name: str) -> None:
    """Write something under `name` of what `writing` yields, then fail."""
    with writing as partial:
        (partial / name).write_text("half")
        raise InterruptedError


def test_a_folder_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        write_half(whole_folder(tmp_path / "out"), "file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_in_one_step_and_kept_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    target.write_text("old")
    with pytest.raises(InterruptedError):
        write_half(whole_file(target), "")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("card.json", "old")]
    with whole_file(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("card.json", "new")]
