"""What leaves with an export: synthetic images, real ones when a curator says so, nothing that was withdrawn."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from curation.errors import BadInput, Conflict, Damaged, NotFound
from curation.exports.options import ExportOptions
from curation.exports.pseudonyms import is_simulated
from curation.exports.run import export_snapshot
from curation.exports.selection import of_origin, select_images
from curation.models.images import Image, Origin
from curation.models.operations import Event
from curation.models.training import Snapshot
from curation.models.withdrawals import Affected, AffectedKind, Withdrawal
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.mix import MixRecipe
from tests.curation.exports.projects import LATER, READERS, SNAPSHOT, SUBJECT, export, fill, silent
from tests.rows import NOW

FORMATS = ("imagefolder", "parquet", "croissant", "dicom", "nifti", "release")


def test_real_images_stay_unless_the_curator_says_that_they_leave(filled: Project) -> None:
    without, with_real = (select_images(filled, SNAPSHOT, include_real) for include_real in (False, True))
    assert of_origin(without.counts(), "real") == 0
    assert of_origin(with_real.counts(), "real") == 16
    assert of_origin(without.counts(), "synthetic") == of_origin(with_real.counts(), "synthetic") == 20


def test_an_image_has_the_same_name_whether_others_leave_or_not(filled: Project) -> None:
    without, with_real = (
        {name: row.pixel_sha256 for name, row in select_images(filled, SNAPSHOT, include_real).rows()}
        for include_real in (False, True)
    )
    assert without.items() <= with_real.items()
    assert set(without) == {f"synthetic-{number:06d}" for number in range(1, 21)}


@pytest.mark.parametrize("format", FORMATS)
def test_no_reader_subject_or_path_leaves(filled: Project, tmp_path: Path, format: str) -> None:
    export(filled, format, tmp_path / "out", include_real=True)
    forbidden = [*READERS, "Ada", SUBJECT, "/mnt/scans", str(filled.root)]
    for path in (tmp_path / "out").rglob("*"):
        found = [word for word in forbidden if path.is_file() and word.encode() in path.read_bytes()]
        assert not found, f"{path.name} holds {found}"


def test_a_subject_has_one_pseudonym_in_every_export_of_a_project(filled: Project, tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        export(filled, "imagefolder", tmp_path / name, include_real=True)
        lines = (tmp_path / name / "train" / "metadata.jsonl").read_text().splitlines()
        seen.append([json.loads(line)["subject"] for line in lines])
    assert seen[0] == seen[1]
    assert len({subject for subject in seen[0] if subject}) == 8


def test_keys_of_the_simulated_cohort_are_public() -> None:
    assert is_simulated("virtual-brains:200", "vb-000017")
    assert not is_simulated("virtual-brains:200", "p17")
    assert not is_simulated("hospital", "vb-000017")


def test_an_export_says_how_many_images_left_and_is_an_event_without_names(filled: Project, tmp_path: Path) -> None:
    summary = export(filled, "imagefolder", tmp_path / "out", include_real=True)
    assert (summary.synthetic, summary.real, summary.real_left_out) == (20, 16, 0)
    with filled.database.read() as session:
        event = session.scalars(select(Event).where(Event.kind == "export").order_by(Event.sequence.desc())).first()
    assert event is not None
    assert (event.payload["real"], event.payload["synthetic"]) == (16, 20)
    assert event.payload["files"] == summary.digest
    assert SNAPSHOT not in json.dumps(event.payload)


def test_a_snapshot_of_real_images_only_leaves_by_word_only(filled: Project, tmp_path: Path) -> None:
    build_snapshot(filled, "real", MixRecipe(synthetic="none"), NOW, silent)
    with pytest.raises(BadInput, match="--include-real"):
        export_snapshot(filled, "real", "dicom", tmp_path / "out", ExportOptions(), LATER, silent)
    assert not (tmp_path / "out").exists()


def test_unknown_names_are_refused(filled: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a format"):
        export(filled, "tarball", tmp_path / "out")
    with pytest.raises(NotFound, match="absent"):
        export_snapshot(filled, "absent", "dicom", tmp_path / "out", ExportOptions(), LATER, silent)


def test_a_changed_file_stops_the_export_and_leaves_nothing(
    tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(tmp_path / "project")
    fill(project)
    folder = SnapshotFolder.open(project.root / "snapshots" / SNAPSHOT)
    last = [row for row in folder.rows("train") if row.origin == Origin.SYNTHETIC.value][-1]
    path = folder.path / "train" / last.file_name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="was changed"):
        export(project, "imagefolder", tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["project"]
    with project.database.read() as session:
        assert session.scalars(select(Event).where(Event.kind == "export")).first() is None


@pytest.mark.parametrize("how", ["image", "affected"])
def test_what_descends_from_a_withdrawn_subject_does_not_leave(
    tmp_path: Path, make_project: Callable[..., Project], how: str
) -> None:
    project = make_project(tmp_path / "project")
    fill(project)
    with project.database.write() as session:
        real = session.scalars(select(Image).where(Image.origin == Origin.REAL)).first()
        assert real is not None
        assert real.subject_id is not None
        if how == "image":
            session.execute(update(Image).where(Image.id == real.id).values(withdrawn_at=NOW))
        else:
            withdrawal = Withdrawal(subject_id=real.subject_id, reason="asked", plan=[], created_at=NOW)
            session.add(withdrawal)
            session.flush()
            snapshot = session.scalars(select(Snapshot.id)).one()
            session.add(Affected(withdrawal_id=withdrawal.id, kind=AffectedKind.SNAPSHOT, target_id=snapshot))
    with pytest.raises(Conflict, match="withdrawn"):
        export(project, "imagefolder", tmp_path / "out")
