"""Search by words ranks images, draws them, and leaves test subjects out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage
from sqlalchemy import select

from cli.main import rounds
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Image, Split, Subject
from tests.rows import NOW
from tests.train.image_text.tiny import save_two_towers


@pytest.fixture
def brains(project: Project) -> Project:
    import_virtual_brains(project, NOW, 30)
    return project


def run(project: Project, *arguments: str) -> list[dict]:
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "search", *arguments, "--json"])
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def subjects(project: Project, split: Split) -> set[str]:
    with project.database.read() as session:
        rows = select(Image.id).join(Subject, Subject.id == Image.subject_id).where(Subject.split == split)
        return {str(image) for image in session.scalars(rows)}


def test_a_search_shows_everything_but_test_subjects(
    brains: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = save_two_towers(tmp_path / "clip", "clip")
    opened: list[str] = []
    read = type(brains.store).content
    monkeypatch.setattr(type(brains.store), "content", lambda self, digest: opened.append(digest) or read(self, digest))
    found = run(brains, "bright square", "--model", str(clip), "--count", "100", "--sheet", str(tmp_path / "sheet.png"))
    test = subjects(brains, Split.TEST)
    assert test
    assert {row["id"] for row in found}.isdisjoint(test)
    assert len(found) == 30 - len(test)
    similarities = [row["similarity"] for row in found]
    assert similarities == sorted(similarities, reverse=True)
    with brains.database.read() as session:
        hidden = set(session.scalars(select(Image.file_sha256).where(Image.id.in_([int(key) for key in test]))))
    assert hidden.isdisjoint(opened)
    with PillowImage.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 1_000


def test_a_snapshot_is_searched_by_split_and_test_is_refused(brains: Project, tmp_path: Path) -> None:
    clip = save_two_towers(tmp_path / "clip", "clip")
    folder = build_snapshot(brains, "real", MixRecipe(synthetic="none"), NOW, silent)
    found = run(brains, "centre", "--model", str(clip), "--snapshot", "real", "--split", "validation", "--count", "50")
    assert {row["id"].split("/")[1] for row in found} == {row.file_name for row in folder.rows("validation")}
    assert all(row["caption"] and row["split"] == "validation" for row in found)
    arguments = ["--project", str(brains.root), "search", "x", "--model", str(clip), "--split", "test"]
    refused = CliRunner().invoke(rounds, arguments)
    assert "test subjects are not shown" in str(refused.exception)
    empty = CliRunner().invoke(rounds, ["--project", str(brains.root), "search", "  ", "--model", str(clip)])
    assert "expected 1 to 1000 characters" in str(empty.exception)
