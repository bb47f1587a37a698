"""A release after a withdrawal leaves the affected snapshot out and marks measurements."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from curation.errors import Conflict
from curation.exports.options import ExportOptions
from curation.exports.run import FORMATS, export_snapshot
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Image
from curation.tables.pairs import PairReading, PairVerdict
from curation.withdrawal.withdraw import withdraw
from tests.curation.exports.release.test_release import indicators
from tests.curation.lineage.measured import add_measurement, add_pairs, add_report, image_of
from tests.operation_ids import new_op_id
from tests.rows import NOW
from tests.worlds.exports import LATER, SIZE, SNAPSHOT, SUBJECT, export
from tests.worlds.shared import copy_world

MARK = "rests on withdrawn subjects (1)"


def release_of(project: Project, name: str, target: Path) -> Path:
    export_snapshot(project, name, "release", target, ExportOptions(), LATER, silent)
    return target


@pytest.mark.slow
def test_old_measurements_in_a_release_say_that_they_rest_on_withdrawn_subjects(
    tmp_path: Path, export_world: Path
) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    build_snapshot(project, "clean", MixRecipe(synthetic="approved", classes=("a",), seed=2), NOW, silent)
    shape = [SIZE, SIZE, 1, 8]
    add_report(project, "privacy", shape=shape)
    add_measurement(project, images="snapshot", snapshot=SNAPSHOT)
    withdraw(project, NOW + timedelta(hours=1), f"{SUBJECT}001", "")  # of class b: in `mix`, not in `clean`
    add_report(project, "checks", at=LATER, shape=shape)
    # A measurement of the snapshot that leaves, on real images among which the subject was.
    add_measurement(project, images="snapshot", snapshot="clean")
    with project.database.read() as session:
        drawn = session.query(Image.id).where(Image.batch_id.is_not(None)).order_by(Image.id).first()
    assert drawn is not None
    add_pairs(project, "judged", drawn[0], image_of(project, f"{SUBJECT}001"))
    with project.database.write() as session:
        times = {"read_at": NOW, "created_at": NOW}
        judgement = PairReading(op_id=new_op_id(), pair_id=1, reader_id=1, verdict=PairVerdict.DIFFERENT, **times)
        session.add(judgement)
    out = release_of(project, "clean", tmp_path / "out")
    page = (out / "SCREENING.md").read_text()
    titles = [part.splitlines()[0] for part in page.split("### ")[1:] if f"**AFFECTED:** this {MARK}" in part]
    assert [title.split(",")[0] for title in titles] == ["privacy", "set measures", "set measures"]
    assert f"| judged | suspect | different | 1 | {MARK} |" in page
    saved = json.loads((out / "measures.json").read_text())
    assert [entry["withdrawn_subjects"] for entry in saved["checks"] + saved["sets"]] == [1, 0, 1, 1]
    assert "1 of them rest on withdrawn subjects" in str(indicators(out)["error rates of the privacy gate"]["note"])
    assert "3 of the measurements in it rest on withdrawn subjects" in (out / "README.md").read_text()
    assert SUBJECT not in page


@pytest.mark.slow
def test_a_snapshot_that_descends_from_a_withdrawn_subject_leaves_in_no_format(
    tmp_path: Path, export_world: Path
) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    withdraw(project, NOW + timedelta(hours=1), f"{SUBJECT}001", "")
    for format in FORMATS:
        with pytest.raises(Conflict, match="1 of its images were withdrawn with their subject; it descends from"):
            export(project, format, tmp_path / "out", include_real=False)
        assert not (tmp_path / "out").exists()
