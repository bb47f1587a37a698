"""The commands: align here and by a worker, measure, and what is said of a withdrawn subject."""

import json
from pathlib import Path

import pytest

from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.operations import JobStatus
from curation.withdrawal.withdraw import withdraw
from tests.cli.queueing import job_of, queue, run, work
from tests.rows import NOW
from train.image_text.aligned_folder import folder_digest
from train.image_text.recipe import AlignmentRecipe


@pytest.mark.slow
def test_towers_are_aligned_here_and_by_a_worker_alike_and_then_measured(
    project: Project, tiny_vit: Path, tiny_text: Path, tmp_path: Path
) -> None:
    import_virtual_brains(project, NOW, 90)
    folder = build_snapshot(project, "real", MixRecipe(synthetic="none"), NOW, silent)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(AlignmentRecipe(dimension=8, steps=6, batch_size=16, evaluations=3).model_dump_json())
    towers = ("--image", str(tiny_vit), "--text", str(tiny_text), "--snapshot", "real", "--recipe", str(recipe))
    here, there = tmp_path / "here", tmp_path / "there"
    told = json.loads(run(project, "backbone", "align", *towers, "--out", str(here), "--json"))
    assert told["pairs"]["train"] == len(folder.rows("train"))
    job = queue(project, "backbone", "align", *towers, "--out", str(there))
    assert work(project)
    assert job_of(project, job).status is JobStatus.DONE
    assert folder_digest(there) == folder_digest(here)
    report = tmp_path / "report.json"
    measure = ("backbone", "zero-shot", str(here), "--snapshot", "real", "--shots", "1", "--out", str(report))
    shown = run(project, *measure)
    assert "linear probe" in shown
    assert "SIMULATED" in shown
    result = json.loads(report.read_text())
    assert (result["n_images"], result["affected"]) == (len(folder.rows("validation")), [])
    withdraw(project, NOW, str(folder.rows("train")[0].subject), "consent withdrawn")
    assert "AFFECTED by withdrawal 1" in run(project, *measure)
