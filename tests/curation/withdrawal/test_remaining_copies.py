"""Whoever withdraws a subject is told where its pictures still are: folders, exports, backups."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from curation.backup.create import back_up
from curation.exports.options import ExportOptions
from curation.exports.run import export_snapshot
from curation.lineage.descent import descent_of
from curation.progress import silent
from curation.project import Project
from curation.withdrawal.remaining_copies import Copies, copies_of
from curation.withdrawal.withdraw import withdraw
from tests.cli.test_screening import run
from tests.rows import NOW

HOUR = timedelta(hours=1)
FOLDERS = [("base", 2), ("second", 2), ("third", 2), ("fourth", 2)]


def copies(project: Project, key: str = "s0") -> Copies:
    with project.database.read() as session:
        return copies_of(session, project.root, descent_of(session, project.root, key))


def folders(copies: Copies) -> list[tuple[str, int]]:
    return [(folder.snapshot, folder.pictures) for folder in copies.folders]


@pytest.mark.slow
def test_snapshot_folders_hold_the_pictures_until_they_are_purged(lived: Project) -> None:
    assert folders(copies(lived)) == FOLDERS
    withdraw(lived, NOW + HOUR, "s0", "")
    assert folders(copies(lived)) == FOLDERS
    withdraw(lived, NOW + HOUR, "s0", "", purge=True)
    assert folders(copies(lived)) == []
    assert folders(copies(lived, "s1")) == [(name, 1) for name, _ in FOLDERS]


@pytest.mark.slow
def test_synthetic_images_that_went_too_are_counted(lived: Project) -> None:
    withdraw(lived, NOW + HOUR, "s0", "", descendants=True)
    assert folders(copies(lived)) == [("base", 2), ("second", 6), ("third", 10), ("fourth", 14)]


@pytest.mark.slow
def test_exports_and_backups_that_the_chain_knows_are_named(lived: Project, tmp_path: Path) -> None:
    options = ExportOptions(include_real=True)
    summary = export_snapshot(lived, "base", "imagefolder", tmp_path / "out", options, NOW + HOUR, silent)
    back_up(lived, tmp_path / "backups", NOW - HOUR, silent)  # before its images came
    back_up(lived, tmp_path / "backups", NOW + HOUR, silent)
    withdraw(lived, NOW + 2 * HOUR, "s0", "")
    back_up(lived, tmp_path / "backups", NOW + 3 * HOUR, silent)
    result = copies(lived)
    assert [(export.snapshot, export.format, export.at, export.real) for export in result.exports] == [
        ("base", "imagefolder", NOW + HOUR, summary.real)
    ]
    names = [backup.name for backup in result.backups]
    assert names == ["2026-11-23T130000Z", "2026-11-23T150000Z"]  # the folders held the images then, and do
    assert {path.stem for path in (tmp_path / "backups").glob("*.jsonl")} >= set(names)
    withdraw(lived, NOW + 4 * HOUR, "s0", "", purge=True)
    back_up(lived, tmp_path / "backups", NOW + 5 * HOUR, silent)
    assert [backup.name for backup in copies(lived).backups] == names


@pytest.mark.slow
def test_the_command_says_so_beforehand_and_afterwards(lived: Project) -> None:
    grids = lived.root / "generators" / "g1" / "grids"
    grids.mkdir()
    (grids / "autoencoder-000250.png").write_bytes(b"")
    for words in ((), ("--yes",)):
        output = run(lived, "withdraw", "s0", *words).output
        assert "snapshots/base: 2 images; --purge-snapshots removes them" in output
        assert "generators/g1/grids: images made while the generator was fitted" in output
        assert "not recorded: where exports and backups lie" in output
    again = json.loads(run(lived, "withdraw", "s0", "--yes", "--purge-snapshots", "--json").stdout)
    assert again["pictures_in"]["folders"] == []
    assert "  no snapshot folder" in run(lived, "withdraw", "s0").output
