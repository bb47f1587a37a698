"""DICOM Secondary Capture, held against dciodvfy and read by pydicom."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut

from curation.project import Project
from curation.snapshots.folder import SnapshotFolder
from tests.conftest import missing
from tests.worlds.exports import SNAPSHOT, SUBJECT, export

# Tags that the dictionary of Debian's dciodvfy (1.00~20220618) does not know, though the standard does.
NEWER_THAN_DCIODVFY = {"(0008,001c)": "Synthetic Data"}


@pytest.fixture(scope="module")
def files(each_kind: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM export with real images."""
    target = tmp_path_factory.mktemp("dicom") / "out"
    export(each_kind, "dicom", target, include_real=True)
    return target


def errors_of(path: Path) -> list[str]:
    """The errors that dciodvfy finds, without those of tags it is too old to know."""
    program = shutil.which("dciodvfy")
    if program is None:
        missing("dciodvfy", "on Debian, `apt-get install dicom3tools`")
    completed = subprocess.run([str(program), "-new", str(path)], capture_output=True, text=True)
    lines = [line for line in (completed.stdout + completed.stderr).splitlines() if line.startswith("Error")]
    return [line for line in lines if not any(tag in line for tag in NEWER_THAN_DCIODVFY)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synthetic-000001", "real-000001"])
def test_dciodvfy_finds_no_error(files: Path, name: str) -> None:
    assert errors_of(files / "train" / f"{name}.dcm") == []


def test_a_broken_file_would_be_found(files: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(files / "train" / "synthetic-000001.dcm")
    del dataset.ConversionType
    dataset.save_as(tmp_path / "broken.dcm")
    assert any("ConversionType" in line for line in errors_of(tmp_path / "broken.dcm"))


def each(files: Path, pattern: str) -> list[Any]:
    """Every exported file so called, read by pydicom."""
    return [pydicom.dcmread(path) for path in sorted(files.rglob(pattern))]


def test_synthetic_images_say_so_in_every_place(files: Path) -> None:
    synthetic = each(files, "synthetic-*.dcm")
    assert len(synthetic) == 20
    for dataset in synthetic:
        assert dataset[0x0008001C].value == "YES"
        assert dataset.ImageType == ["DERIVED", "SECONDARY"]
        assert dataset.ConversionType == "SYN"
        assert "SYNTHETIC" in str(dataset.PatientName)
        assert dataset.PatientID.startswith("SYNTHETIC-")
        (equipment,) = dataset.ContributingEquipmentSequence
        (purpose,) = equipment.PurposeOfReferenceCodeSequence
        code = (purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning)
        assert code == ("109100", "DCM", "Synthesizing Equipment")
        assert (equipment.Manufacturer, equipment.ManufacturerModelName) == ("Rounds", "cafe")
        assert "weights SHA-256 cafe0000" in equipment.ContributionDescription
        assert "not presumed anonymous" in dataset.ImageComments


def test_real_images_are_deidentified_and_not_called_synthetic(files: Path) -> None:
    real = each(files, "real-*.dcm")
    assert len(real) == 16
    for dataset in real:
        assert "SyntheticData" not in dataset
        assert "ContributingEquipmentSequence" not in dataset
        assert dataset.PatientIdentityRemoved == "YES"
        assert re.fullmatch(r"subject-[0-9a-f]{12}", dataset.PatientID)
        assert SUBJECT not in str(dataset)
        assert (dataset.StudyDate, dataset.PatientBirthDate) == ("", "")


def test_pixels_spacing_rescale_and_window_are_those_that_were_stored(files: Path, each_kind: Project) -> None:
    folder = SnapshotFolder.open(each_kind.root / "snapshots" / SNAPSHOT)
    rows = {(row.origin, row.file_name): row for row in folder.rows("train")}
    stored = {origin: [folder.pixels([row])[0] for (of, _), row in rows.items() if of == origin] for origin, _ in rows}
    for origin, pictures in stored.items():
        result = each(files / "train", f"{origin}-*.dcm")
        for dataset, pixels in zip(result, pictures, strict=True):
            assert (dataset.pixel_array == pixels.squeeze()).all()
            assert dataset.Modality == ("CT" if origin == "real" else "OT")
            if origin == "real" and dataset.SamplesPerPixel == 1:
                values = (pixels.squeeze().astype(float) - 8) * 2 - 1024
                assert np.allclose(apply_modality_lut(dataset.pixel_array, dataset), values)
                assert (dataset.WindowCenter, dataset.WindowWidth) == (40, 400)
                assert dataset.RescaleType == "HU"
            if origin == "real":
                assert list(dataset.PixelSpacing) == [0.7, 0.5]


def test_uids_are_new_distinct_and_the_same_again(files: Path, each_kind: Project, tmp_path: Path) -> None:
    export(each_kind, "dicom", tmp_path / "again", include_real=True)
    once, again = (
        [dataset.SOPInstanceUID for dataset in each(place, "*.dcm")] for place in (files, tmp_path / "again")
    )
    assert once == again
    assert len(set(once)) == 36
    real = each(files, "real-*.dcm")
    assert len({dataset.StudyInstanceUID for dataset in real}) == len({dataset.PatientID for dataset in real}) == 16
