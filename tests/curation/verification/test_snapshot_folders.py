"""Checking a snapshot folder finds what was changed, removed or added."""

from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.verification.snapshot_folders import verify_folder
from tests.curation.snapshots.filled import REAL_ONLY, fill
from tests.rows import NOW


def test_verify_finds_one_flipped_bit_a_missing_file_and_a_stray_one(project: Project) -> None:
    fill(project)
    folder = build_snapshot(project, "one", REAL_ONLY, NOW, silent)
    first, second = sorted((folder.path / "train").glob("*.png"))[:2]
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.unlink()
    (folder.path / "test" / "stray.png").write_bytes(b"")
    faults = "\n".join(verify_folder(folder, silent))
    assert f"{first.name} was changed" in faults
    assert f"{second.name} is missing" in faults
    assert "stray.png" in faults
    assert faults.count("\n") == 2


def test_verify_finds_a_changed_label(project: Project) -> None:
    fill(project)
    folder = build_snapshot(project, "one", REAL_ONLY, NOW, silent)
    metadata = folder.path / "train" / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace('"label": "a"', '"label": "b"', 1))
    assert any("digest" in fault for fault in verify_folder(folder, silent))
