"""An export takes synthetic images, real ones on request, and nothing withdrawn."""

import json
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from curation.errors import BadInput, Conflict, Damaged, NotFound
from curation.exports.options import ExportOptions
from curation.exports.pseudonyms import is_simulated
from curation.exports.run import export_snapshot
from curation.exports.selection import count_origins, select_images
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, Origin
from curation.tables.operations import Event
from curation.tables.pairs import Pair, PairList, PairReading, PairTruth, PairVerdict
from curation.tables.training import Snapshot
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal
from tests.rows import NOW
from tests.worlds.exports import LATER, READERS, SNAPSHOT, SUBJECT, export
from tests.worlds.shared import copy_world

FORMATS = ("imagefolder", "parquet", "croissant", "dicom", "nifti", "release")


def test_real_images_stay_unless_the_curator_says_that_they_leave(filled: Project) -> None:
    without, with_real = (select_images(filled, SNAPSHOT, include_real) for include_real in (False, True))
    assert count_origins(without.counts(), "real") == 0
    assert count_origins(with_real.counts(), "real") == 16
    assert count_origins(without.counts(), "synthetic") == count_origins(with_real.counts(), "synthetic") == 20


def test_an_image_has_the_same_name_whether_others_leave_or_not(filled: Project) -> None:
    without, with_real = (
        {name: row.pixel_sha256 for name, row in select_images(filled, SNAPSHOT, include_real).rows()}
        for include_real in (False, True)
    )
    assert without.items() <= with_real.items()
    assert set(without) == {f"synthetic-{number:06d}" for number in range(1, 21)}


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_no_reader_subject_or_path_leaves(filled: Project, tmp_path: Path, format: str) -> None:
    export(filled, format, tmp_path / "out", include_real=True)
    forbidden = [*READERS, "Ada", SUBJECT, "/mnt/scans", str(filled.root)]
    for path in (tmp_path / "out").rglob("*"):
        result = [word for word in forbidden if path.is_file() and word.encode() in path.read_bytes()]
        assert not result, f"{path.name} holds {result}"


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


def test_a_changed_file_stops_the_export_and_leaves_nothing(tmp_path: Path, export_world: Path) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    folder = SnapshotFolder.open(project.root / "snapshots" / SNAPSHOT)
    last = [row for row in folder.rows("train") if row.origin == Origin.SYNTHETIC.value][-1]
    path = folder.path / "train" / last.file_name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="was changed"):
        export(project, "imagefolder", tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["project"]
    with project.database.read() as session:
        assert session.scalars(select(Event).where(Event.kind == "export")).first() is None


def withdraw_an_image(session: Session) -> None:
    session.execute(update(Image).where(Image.id == first(session, Origin.REAL)).values(withdrawn_at=NOW))


def mark_it_affected(session: Session) -> None:
    subject = session.get_one(Image, first(session, Origin.REAL)).subject_id
    withdrawal = Withdrawal(subject_id=subject, reason="asked", plan=[], created_at=NOW)
    session.add(withdrawal)
    session.flush()
    snapshot = session.scalars(select(Snapshot.id)).one()
    session.add(Affected(withdrawal_id=withdrawal.id, kind=AffectedKind.SNAPSHOT, target_id=snapshot))


def block_a_near_copy(session: Session) -> None:
    screening, image = session.execute(select(ScreenedImage.screening_id, ScreenedImage.image_id)).first() or (0, 0)
    block = {"name": "near_copy", "value": 0.0, "threshold": "0.1", "verdict": ScreeningVerdict.BLOCK}
    session.add(ScreeningCheck(screening_id=screening, image_id=image, **block))


def judge_it_the_same(session: Session) -> None:
    times = {"read_at": NOW, "created_at": NOW}
    pairs = PairList(name="suspects", recipe={}, size=1, status=BuildStatus.READY, created_at=NOW)
    session.add(pairs)
    session.flush()
    images = {"first_image_id": first(session, Origin.SYNTHETIC), "second_image_id": first(session, Origin.REAL)}
    pair = Pair(key="k", pair_list_id=pairs.id, position=0, truth=PairTruth.SUSPECT, **images)
    session.add(pair)
    session.flush()
    session.add(PairReading(op_id="o", pair_id=pair.id, reader_id=1, verdict=PairVerdict.SAME, **times))


def first(session: Session, origin: Origin) -> int:
    """The first image of an origin."""
    return session.scalars(select(Image.id).where(Image.origin == origin).order_by(Image.id).limit(1)).one()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (withdraw_an_image, "1 of its images were withdrawn"),
        (mark_it_affected, "descends from a subject that withdrew"),
        (block_a_near_copy, "1 of its images are blocked as near copies"),
        (judge_it_the_same, "judged by the privacy role"),
    ],
)
def test_what_may_not_leave_keeps_the_whole_snapshot_here(
    tmp_path: Path, export_world: Path, happens: Callable[[Session], None], reason: str
) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    with project.database.write() as session:
        happens(session)
    with pytest.raises(Conflict, match=reason):
        export(project, "imagefolder", tmp_path / "out", include_real=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_real_image_in_a_suspect_pair_does_not_keep_a_snapshot_without_the_suspect(
    tmp_path: Path, export_world: Path
) -> None:
    project = Project.open(copy_world(export_world, tmp_path / "project"))
    build_snapshot(project, "real", MixRecipe(synthetic="none"), NOW, silent)
    with project.database.write() as session:
        judge_it_the_same(session)
    options = ExportOptions(include_real=True)
    assert export_snapshot(project, "real", "imagefolder", tmp_path / "out", options, LATER, silent).real == 16


@pytest.mark.parametrize("format", ["parquet", "dicom", "nifti"])
def test_the_same_snapshot_leaves_as_the_same_bytes(filled: Project, tmp_path: Path, format: str) -> None:
    assert export(filled, format, tmp_path / "one").digest == export(filled, format, tmp_path / "two").digest


@pytest.mark.slow
def test_images_of_the_simulated_cohort_are_called_synthetic_under_their_public_keys(
    tmp_path: Path, make_project: Callable[..., Project]
) -> None:
    project = make_project(tmp_path / "project")
    import_virtual_brains(project, NOW, 8)
    build_snapshot(project, "cohort", MixRecipe(synthetic="none"), NOW, silent)
    options = ExportOptions(include_real=True)
    summary = export_snapshot(project, "cohort", "dicom", tmp_path / "out", options, LATER, silent)
    files = [pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    assert len(files) == summary.real > 0
    for file in files:
        assert file.SyntheticData == "YES"
        assert file.PatientID.startswith("SYNTHETIC-vb-0000")
        assert "SIMULATED from one template" in file.ImageComments
    card = (tmp_path / "out" / "README.md").read_text()
    assert "The real images are simulated from one template" in card
    assert "Montreal Neurological Institute" in card
