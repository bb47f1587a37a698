"""Patients, labels and covariates of DICOM files."""

from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import select

from curation.errors import BadInput
from curation.ingest.pseudonyms import Pseudonyms
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image, Split
from tests.curation.ingest.formats.dicom_samples import changed
from tests.curation.ingest.formats.test_dicom import _import, _only
from tests.rows import NOW


@pytest.mark.slow
def test_patients_are_subjects_by_pseudonym_and_stand_in_one_split(project: Project, tmp_path: Path) -> None:
    for number in range(24):
        changed(
            tmp_path / "ct" / "ab"[number % 2] / f"{number}.dcm",
            "CT_small.dcm",
            lambda dataset, n=number: setattr(dataset, "PatientID", f"HOSP-{n // 4}"),
            seed=number,
        )
    report = import_image_folder(project, NOW, tmp_path / "ct")
    assert (report.added, report.subjects_known, sum(report.subjects.values())) == (24, True, 6)
    names = Pseudonyms.of(project)
    with project.database.read() as session:
        images = session.scalars(select(Image)).all()
        assert {image.subject.key for image in images if image.subject} == {
            names.subject(f"HOSP-{n}") for n in range(6)
        }
        assert {image.subject.split for image in images if image.subject} <= set(Split)


def test_labels_come_from_a_keyword_or_from_a_table_by_sop_instance_uid(project: Project, tmp_path: Path) -> None:
    uids = {}
    for number in range(4):
        path = changed(tmp_path / "ct" / f"{number}.dcm", "CT_small.dcm", seed=number)
        dataset = dcmread(path)
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.BodyPartExamined = "HEAD" if number % 2 else "CHEST"
        dataset.save_as(path)
        uids[number] = dataset.SOPInstanceUID
    keyword = ImportRequest(label_from="keyword:BodyPartExamined")
    report = import_image_folder(project, NOW, tmp_path / "ct", request=keyword, dry_run=True)
    assert sum(counts.get("CHEST", 0) for counts in report.counts.values()) == 2
    table = tmp_path / "labels.csv"
    table.write_text(
        "SOPInstanceUID,bleed,fracture,patient_id,split\n"
        + "".join(f"{uids[n]},{n % 2},0.25,q{n},test\n" for n in range(3))
    )
    request = ImportRequest(label_columns=("bleed", "fracture"))
    with pytest.raises(BadInput, match="misses 1 of 4 pictures"):
        import_image_folder(project, NOW, tmp_path / "ct", request=request, manifest=table)
    request = request.model_copy(update={"allow_unmatched": True})
    report = import_image_folder(project, NOW, tmp_path / "ct", request=request, manifest=table)
    assert [fault.reason.split(":")[0] for fault in report.rejected] == ["no label"]
    assert report.counts == {"test": {"bleed": 1, "none of the labels": 2}}
    with pytest.raises(BadInput, match="may identify"):
        _import(project, tmp_path / "ct", label=None, label_from="keyword:PatientName")


def test_a_folder_named_for_the_patient_is_no_label(project: Project, tmp_path: Path) -> None:
    changed(tmp_path / "ct" / "1CT1" / "a.dcm", "CT_small.dcm", seed=1)
    changed(tmp_path / "ct" / "CompressedSamples CT1" / "b.dcm", "CT_small.dcm", seed=2)
    report = import_image_folder(project, NOW, tmp_path / "ct")
    assert report.added == 0
    assert {fault.reason.split(".")[0] for fault in report.rejected} == {"its label names the patient or the study"}


def test_covariates_are_kept_by_name_alone_and_ages_as_decades(project: Project, tmp_path: Path) -> None:
    path = changed(tmp_path / "a.dcm", "CT_small.dcm", lambda dataset: setattr(dataset, "PatientAge", "093Y"))
    _import(project, path, covariates=("PatientSex", "PatientAge", "KVP", "ViewPosition"))
    image, _ = _only(project)
    assert image.covariates == {"PatientSex": "O", "PatientAge": "90+", "KVP": 120.0}
    with pytest.raises(BadInput, match="PatientBirthDate"):
        _import(project, path, covariates=("PatientBirthDate",))
