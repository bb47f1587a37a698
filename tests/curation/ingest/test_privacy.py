"""What identifies a patient stays outside: in no row, no report, no event and no stored file."""

import json
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset
from sqlalchemy import select

from curation.ingest.pseudonyms import Pseudonyms
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image, Import, Subject
from tests.curation.ingest.formats.dicom_samples import changed
from tests.curation.ingest.sources.folders import encoded
from tests.rows import NOW, picture

IDENTIFYING = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "KIS-0047110815",
    "PatientBirthDate": "19640812",
    "OtherPatientIDs": "AOK-A123456780",
    "PatientAddress": "Heidestrasse 17",
    "AccessionNumber": "ACC77001234",
    "InstitutionName": "Klinikum Musterstadt",
    "StationName": "CTAWP04711",
    "ReferringPhysicianName": "Hausarzt^Heinz",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.8323329.4711",
    "SeriesInstanceUID": "1.2.276.0.7230010.3.1.3.8323329.4712",
    "SOPInstanceUID": "1.2.276.0.7230010.3.1.4.8323329.4713",
    "StudyDate": "20010203",
    "StudyDescription": "CT Abdomen Frau Mustermann",
}
NAMED = "Mustermann_Erika_19640812"


def _identified(dataset: FileDataset) -> None:
    for keyword, value in IDENTIFYING.items():
        setattr(dataset, keyword, value)
    dataset.PatientAge, dataset.PatientSex = "036Y", "F"


def _everything(project: Project) -> bytes:
    """Every byte the project keeps outside its secrets."""
    project.database.dispose()
    kept = [path for path in project.root.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    assert any(path.name == "rounds.db" for path in kept)
    assert any(path.suffix == ".png" for path in kept)
    return b"\n".join(str(path.relative_to(project.root)).encode() + path.read_bytes() for path in kept)


def _assert_nothing_of(words: list[str], kept: bytes) -> None:
    lower = kept.lower()
    leaked = [word for word in words if word.lower().encode() in lower]
    assert leaked == []


def test_no_identifying_attribute_of_a_dicom_file_is_kept_anywhere(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / NAMED
    changed(folder / f"{NAMED}.dcm", "CT_small.dcm", _identified, seed=1)
    changed(folder / f"{NAMED}_2.dcm", "CT_small.dcm", _identified, seed=2)
    again = changed(folder / f"{NAMED}_3.dcm", "CT_small.dcm", _identified, seed=2)
    (folder / f"{NAMED}_4.dcm").write_bytes(again.read_bytes()[:9_000])
    (folder / f"{NAMED}.txt").write_text("Mustermann")
    request = ImportRequest(label="abdomen", covariates=("PatientSex", "PatientAge"))
    report = import_image_folder(project, NOW, folder, request=request)
    assert (report.added, len(report.duplicates), len(report.rejected)) == (2, 1, 2)
    assert NAMED in report.duplicates[0].source_file  # the person at the terminal sees real names
    with project.database.read() as session:
        assert session.scalars(select(Image.covariates)).first() == {"PatientSex": "F", "PatientAge": "30-39"}
        assert session.scalars(select(Subject.key)).all() == [Pseudonyms.of(project).subject(IDENTIFYING["PatientID"])]
        kept = session.scalars(select(Import.report)).one()
    assert len(kept["rejected"]) == 2
    words = [word for value in IDENTIFYING.values() for word in value.split("^")]
    _assert_nothing_of([*words, NAMED, "Mustermann", "036Y"], _everything(project))


def test_nothing_of_a_published_id_is_kept_of_tables_and_pictures_and_the_picture_carries_no_text(
    project: Project, tmp_path: Path
) -> None:
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Patient", "Erika Mustermann")
    files = tmp_path / "pictures"
    files.mkdir()
    lines = ["file,label,patient_id,age"]
    for number in range(6):
        name = f"mustermann-{number}.png"
        (files / name).write_bytes(encoded(picture(number), pnginfo=about))
        lines.append(f"{name},ab{number % 2},KIS-{number // 2:06d},{30 + number}")
    (files / "list.csv").write_text("\n".join([*lines, "mustermann-gone.png,ab1,KIS-000099,3\n"]))
    report = import_image_folder(
        project, NOW, files / "list.csv", name="ours", request=ImportRequest(covariates=("age",))
    )
    assert (report.added, report.subjects_known) == (6, True)
    _assert_nothing_of(["mustermann", "KIS-00"], _everything(project))
    with project.database.read() as session:
        stored = session.scalars(select(Image)).first()
        assert stored is not None
        assert stored.covariates == {"age": "30-39"}
        assert len(project.store.content(stored.file_sha256)) < len((files / "mustermann-0.png").read_bytes())


def test_the_same_patient_is_one_subject_over_imports_and_another_key_gives_another_pseudonym(
    project: Project, tmp_path: Path
) -> None:
    first = changed(tmp_path / "a" / "1.dcm", "CT_small.dcm", _identified, seed=1)
    second = changed(tmp_path / "b" / "2.dcm", "CT_small.dcm", _identified, seed=2)
    dataset = dcmread(second)
    dataset.PatientID = f" {dataset.PatientID} "
    dataset.save_as(second)
    for path in (first, second):
        assert import_image_folder(project, NOW, path, request=ImportRequest(label="x")).added == 1
    with project.database.read() as session:
        assert len(session.scalars(select(Subject)).all()) == 1
    assert Pseudonyms(b"k" * 32).subject("7") != Pseudonyms(b"l" * 32).subject("7")
    assert Pseudonyms(b"k" * 32).subject("7") != Pseudonyms(b"k" * 32).file("7").replace("file", "p")


def test_published_names_are_kept_when_asked_for(project: Project, tmp_path: Path) -> None:
    path = changed(
        tmp_path / "LIDC-0001.dcm", "CT_small.dcm", lambda dataset: setattr(dataset, "PatientID", "LIDC-0001")
    )
    import_image_folder(project, NOW, path, request=ImportRequest(label="x", public_subjects=True))
    with project.database.read() as session:
        assert session.scalars(select(Subject.key)).one() == "LIDC-0001"
        assert session.scalars(select(Image.source_file)).one() == "LIDC-0001.dcm"


def test_an_earlier_report_is_shown_again_by_pseudonyms(project: Project, tmp_path: Path) -> None:
    changed(tmp_path / "ct" / "x" / "1.dcm", "CT_small.dcm", seed=1)
    (tmp_path / "ct" / "x" / "mustermann.txt").write_text("")
    import_image_folder(project, NOW, tmp_path / "ct")
    again = import_image_folder(project, NOW, tmp_path / "ct")
    assert again.repeated
    assert again.rejected[0].source_file.startswith("file-")
    assert "mustermann" not in json.dumps(again.record())


@pytest.mark.parametrize("column", ["patient_name", "birth_date", "MRN", "study_uid", "hospital", "id"])
def test_a_column_that_identifies_is_no_covariate(project: Project, tmp_path: Path, column: str) -> None:
    from curation.errors import BadInput

    (tmp_path / "a.png").write_bytes(encoded(picture(1)))
    (tmp_path / "list.csv").write_text(f"file,label,{column}\na.png,x,y\n")
    with pytest.raises(BadInput, match="identifies people or may"):
        import_image_folder(project, NOW, tmp_path / "list.csv", request=ImportRequest(covariates=(column,)))
