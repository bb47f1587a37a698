"""Captions in a snapshot: covered by its digest, purged and exported with the image."""

import json
from pathlib import Path

import datasets
import pytest

from curation.exports.options import ExportOptions
from curation.exports.run import export_snapshot
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.ingest.virtual_brains.render import render
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SPLITS, SnapshotFolder
from curation.snapshots.mix import MixRecipe
from curation.verification.snapshot_folders import verify_folder
from curation.withdrawal.withdraw import withdraw
from tests.rows import NOW

COUNT = 40


@pytest.fixture
def folder(project: Project) -> SnapshotFolder:
    import_virtual_brains(project, NOW, COUNT)
    return build_snapshot(project, "captioned", MixRecipe(synthetic="none"), NOW, silent)


@pytest.mark.slow
def test_a_snapshot_carries_captions_and_datasets_reads_them(folder: SnapshotFolder) -> None:
    rows = [row for split in SPLITS for row in folder.rows(split)]
    assert {row.subject: row.caption for row in rows} == {
        row.subject: render(int(str(row.subject).removeprefix("vb-"))).caption for row in rows
    }
    assert (folder.captioned, folder.manifest["captions"]) == (True, len(rows))
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder.path), cache_dir=str(folder.path.parent / "hf"))
    assert set(loaded["train"]["text"]) == {row.caption for row in folder.rows("train")}
    assert verify_folder(folder, silent) == []


def test_a_changed_caption_is_a_fault_of_the_folder(folder: SnapshotFolder) -> None:
    path = folder.path / "train" / "metadata.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["text"] = "something else"
    path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
    assert any("its caption was changed" in fault for fault in verify_folder(folder, silent))


def test_a_purge_takes_the_caption_and_leaves_the_digest(project: Project, folder: SnapshotFolder) -> None:
    row = folder.rows("train")[0]
    withdraw(project, NOW, str(row.subject), "consent withdrawn", purge=True)
    again = SnapshotFolder.open(folder.path)
    after = next(other for other in again.rows("train") if other.subject == row.subject)
    assert (after.caption, after.text_sha256) == (None, row.text_sha256)
    assert sum(other.caption is None for other in again.rows("train")) == 1
    assert verify_folder(again, silent) == []


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["imagefolder", "parquet"])
def test_an_export_has_the_column_of_captions(
    project: Project, folder: SnapshotFolder, tmp_path: Path, layout: str
) -> None:
    options = ExportOptions(license="cc0-1.0", creator="test", include_real=True)
    export_snapshot(project, "captioned", layout, tmp_path / "out", options, NOW, silent)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "hf"))
    assert set(loaded["train"]["text"]) == {row.caption for row in folder.rows("train")}
    assert "names anybody was not checked" in (tmp_path / "out" / "README.md").read_text()
