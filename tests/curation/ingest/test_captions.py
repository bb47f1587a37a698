"""Captions of an import: kept with the image, covered by its event, gone with a withdrawal."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from pydicom.dataset import FileDataset
from sqlalchemy import select, update

from curation.errors import BadInput
from curation.ingest.captions import CUT, LONGEST, NOT_CHECKED, clean_caption
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.hugging_face import import_hugging_face
from curation.ingest.sources.image_folder import import_image_folder
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.ingest.virtual_brains.render import render
from curation.progress import silent
from curation.project import Project
from curation.tables.images import Image, ImageCaption
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import withdraw
from tests.curation.ingest.formats.dicom_samples import changed
from tests.curation.ingest.sources.folders import encoded
from tests.rows import NOW, picture

REPORTS = {
    "1.png": "Aufhellung  links\nbasal, kein Erguss",
    "2.png": "opacity, left lower lobe",
    "3.png": "",
    "4.png": "x" * (LONGEST + 10),
}


def import_reports(project: Project, folder: Path, **options: object) -> ImportReport:
    folder.mkdir()
    for number, name in enumerate(REPORTS):
        (folder / name).write_bytes(encoded(picture(number)))
    rows = [{"file": name, "label": "a", "subject": f"s{name}", "report": text} for name, text in REPORTS.items()]
    table = folder.with_suffix(".jsonl")
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = ImportRequest(caption_column="report", **options)
    return import_image_folder(project, NOW, folder, manifest=table, request=request)


def captions(project: Project) -> dict[str, str]:
    with project.database.read() as session:
        rows = select(Image.source_file, ImageCaption.text).join(ImageCaption, ImageCaption.image_id == Image.id)
        return {str(name): text for name, text in session.execute(rows)}


@pytest.mark.slow
def test_a_column_of_reports_is_kept_with_the_images(project: Project, tmp_path: Path) -> None:
    report = import_reports(project, tmp_path / "chest", public_subjects=True)
    assert report.added == 4
    assert captions(project) == {
        "1.png": "Aufhellung links basal, kein Erguss",  # mixed languages as they are, on one line
        "2.png": "opacity, left lower lobe",
        "4.png": "x" * LONGEST,
    }
    assert f"1 pictures: {CUT}" in report.notes
    assert verify_project(project, silent, pixels=True).faults == []


def test_captions_of_private_subjects_come_with_a_warning(project: Project, tmp_path: Path) -> None:
    assert f"3 pictures: {NOT_CHECKED}" in import_reports(project, tmp_path / "chest").notes


def test_a_column_that_is_not_there_is_named(project: Project, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(encoded(picture(1)))
    with pytest.raises(BadInput, match="no column report"):
        import_image_folder(project, NOW, tmp_path, request=ImportRequest(caption_column="report"))


def test_two_rows_of_a_file_with_different_captions_contradict_each_other(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "chest"
    folder.mkdir()
    (folder / "1.png").write_bytes(encoded(picture(1)))
    (folder / "metadata.csv").write_text("file_name,label,note\n1.png,a,left\n1.png,a,right\n")
    report = import_image_folder(project, NOW, folder, request=ImportRequest(caption_column="note"))
    assert [entry.reason for entry in report.rejected] == ["named twice in metadata.csv, with different captions"]


def test_a_caption_that_names_the_patient_of_its_header_is_refused(project: Project, tmp_path: Path) -> None:
    def named(dataset: FileDataset) -> None:
        dataset.PatientName, dataset.PatientID = "Mustermann^Erika", "KIS-0047110815"

    folder = tmp_path / "ct"
    for number, name in enumerate(("one", "two", "three"), 1):
        changed(folder / f"{name}.dcm", "CT_small.dcm", named, seed=number)
    rows = ["one.dcm,a,Frau Mustermann: Leberzyste", "two.dcm,a,Leberzyste", "three.dcm,a,erikanische Zyste"]
    (folder / "metadata.csv").write_text("file,label,text\n" + "\n".join(rows) + "\n")
    report = import_image_folder(
        project, NOW, folder, request=ImportRequest(label_from="manifest", caption_column="text")
    )
    assert [entry.source_file for entry in report.rejected] == ["one.dcm"]
    assert "names the patient" in report.rejected[0].reason
    assert sorted(captions(project).values()) == ["Leberzyste", "erikanische Zyste"]


@pytest.mark.slow
def test_a_changed_caption_is_a_fault_and_a_withdrawn_one_is_gone(project: Project) -> None:
    import_virtual_brains(project, NOW, 6)
    assert captions(project) == {f"vb-{number:06d}": render(number).caption for number in range(6)}
    withdraw(project, NOW, "vb-000003", "consent withdrawn")
    assert "vb-000003" not in captions(project)
    assert len(captions(project)) == 5
    assert verify_project(project, silent, pixels=True).faults == []
    with project.database.write() as session:
        first = select(Image.id).where(Image.source_file == "vb-000002").scalar_subquery()
        session.execute(update(ImageCaption).where(ImageCaption.image_id == first).values(text="something else"))
    assert any("were changed" in fault or "changed" in fault for fault in verify_project(project, silent).faults)


def test_a_column_of_a_data_set_with_its_pictures_in_it_is_kept(project: Project, tmp_path: Path) -> None:
    pictures = [{"bytes": encoded(picture(number)), "path": f"{number}.png"} for number in range(3)]
    rows = {"image": pictures, "label": ["a"] * 3, "note": ["left", None, "right  side"]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "set.parquet")
    request = ImportRequest(caption_column="note", public_subjects=True)
    import_hugging_face(project, NOW, tmp_path / "set.parquet", request=request)
    assert sorted(captions(project).values()) == ["left", "right side"]


def test_a_caption_without_words_is_none() -> None:
    assert clean_caption(" \n\t ") == (None, ())
    assert clean_caption(None) == (None, ())
