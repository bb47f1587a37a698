"""A folder that an export writes is there whole or not at all."""

from pathlib import Path

import pytest

from curation.errors import BadInput, Conflict, NotFound
from curation.exports.new_folder import new_folder


def write(target: Path, meanwhile: Path | None = None, disk: Path | None = None) -> None:
    """Write a file into a new folder; on the way make `meanwhile`, or fill up `disk`."""
    with new_folder(target) as folder:
        (folder / "file").write_text("mine")
        assert not target.exists()
        if meanwhile is not None:
            meanwhile.mkdir()
        if disk is not None:
            disk.write_text("x" * 100_000)


def test_it_stands_under_its_name_when_the_work_is_done(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_is_left_of_work_that_failed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        write(tmp_path / "out", meanwhile=tmp_path / "absent" / "deep")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
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
