"""`rounds bakeoff` writes a folder, runs it, and opens test subjects only when it is printed to."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.project import Project
from curation.tables.operations import Event
from tests.cli.queueing import run

KEPT = ("bakeoff", "k-nn", "raw-pixels", "nearest-mean")


def openings(project: Project) -> list[str]:
    with project.database.read() as session:
        kinds = session.scalars(select(Event.kind).order_by(Event.sequence)).all()
    return [kind for kind in kinds if kind in ("validation.read", "test.opened")]


def test_a_bakeoff_is_written_and_run_and_opens_test_subjects_only_when_told(
    curated: Project, backbone: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bake"
    printed = run(
        curated, "bakeoff", str(folder), "--new", "--snapshot", "real", "--backbone", str(backbone), "--steps", "2"
    )
    assert "conv-adapter" in printed
    for path in folder.glob("*.toml"):
        if path.stem not in KEPT:
            path.unlink()
    result = json.loads(run(curated, "bakeoff", str(folder), "--json"))
    assert [row["name"] for row in result["contestants"]] == ["k-nn", "raw-pixels", "nearest-mean"]
    assert result["plan"]["steps"] == 2
    assert openings(curated) == ["validation.read"]
    run(curated, "bakeoff", str(folder))
    assert openings(curated) == ["validation.read"]
    shown = run(curated, "bakeoff", str(folder), "--split", "test")
    assert "raw-pixels" in shown
    assert openings(curated) == ["validation.read", "test.opened"]
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"real-vit-validation", "real-vit-test"}
    with pytest.raises(AssertionError, match="go with --new"):
        run(curated, "bakeoff", str(folder), "--steps", "3")
