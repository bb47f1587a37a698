"""A reason names the attribute; an optional one that cannot be used costs no picture."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from sqlalchemy import select

from curation.ingest.formats.dicom_geometry import NO_PLACE, NO_SPACING, NO_VOI_LUT
from curation.ingest.formats.value_remarks import NO_WINDOW
from curation.project import Project
from curation.tables.images import Image
from tests.curation.ingest.formats.dicom_samples import changed, sample
from tests.curation.ingest.formats.test_dicom import _import, _only

Change = Callable[[FileDataset], None]


def _written(path: Path, change: Change, *replaced: tuple[bytes, bytes]) -> Path:
    """A file in which some bytes stand that pydicom does not write."""
    changed(path, "CT_small.dcm", change)
    content = path.read_bytes()
    for before, after in replaced:
        assert content.count(before) == 1
        assert len(before) == len(after)
        content = content.replace(before, after)
    path.write_bytes(content)
    return path


def _spacing(dataset: FileDataset) -> None:
    dataset.PixelSpacing = [0.751, 0.752]


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (b"0,751\\0,752", r"PixelSpacing: expected numbers, got '0,751\0,752'"),
        (b"0.751 mm    ", "PixelSpacing: expected numbers, got what is no number"),
        (b"DOE^JOHN 751", "PixelSpacing: expected numbers, got what is no number"),
        (b"0.751       ", "PixelSpacing: expected two numbers, of rows and columns, got '0.751'"),
        (b"0.751\\0", "PixelSpacing: expected millimetres above 0, got 0"),
        (b"inf\\1", "PixelSpacing: expected millimetres above 0, got inf"),
        (b"0.5\\-0.5", "PixelSpacing: expected millimetres above 0, got -0.5"),
    ],
)
def test_a_spacing_that_cannot_be_used_costs_no_picture_and_is_named_with_what_it_holds(
    project: Project, tmp_path: Path, held: bytes, reason: str
) -> None:
    report = _import(project, _written(tmp_path / "a.dcm", _spacing, (rb"0.751\0.752 ", held.ljust(12))))
    assert (report.added, report.rejected) == (1, [])
    assert f"1 pictures: {reason}; {NO_SPACING}" in report.notes
    image, _ = _only(project)
    assert (image.spacing_row_mm, image.spacing_column_mm, image.affine) == (None, None, None)


def test_a_region_of_ultrasound_without_a_spacing_costs_no_picture(project: Project, tmp_path: Path) -> None:
    def change(dataset: FileDataset) -> None:
        del dataset.PixelSpacing
        region = Dataset()
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = 0.02
        dataset.SequenceOfUltrasoundRegions = Sequence([region])

    report = _import(project, changed(tmp_path / "a.dcm", "CT_small.dcm", change))
    assert (report.added, report.rejected) == (1, [])
    assert f"1 pictures: PhysicalDeltaY: expected millimetres above 0, got 0; {NO_SPACING}" in report.notes


def test_spacing_is_that_of_the_patient_else_of_the_detector_else_of_an_ultrasound_region(
    project: Project, tmp_path: Path
) -> None:
    region = Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.03
    sources = {"PixelSpacing": [0.4, 0.5], "ImagerPixelSpacing": [0.6, 0.7], "NominalScannedPixelSpacing": [0.8, 0.9]}
    expected = [*map(tuple, sources.values()), (0.3, 0.2), (None, None)]
    for number, spacing in enumerate(expected):

        def change(dataset: FileDataset, number: int = number) -> None:
            del dataset.PixelSpacing
            for keyword in list(sources)[number:]:
                setattr(dataset, keyword, sources[keyword])
            if number < 4:
                dataset.SequenceOfUltrasoundRegions = Sequence([region])

        report = _import(project, changed(tmp_path / f"{number}.dcm", "CT_small.dcm", change, seed=number))
        assert report.added == 1
        with project.database.read() as session:
            image = session.scalars(select(Image).order_by(Image.id.desc())).first()
        assert image is not None
        assert (image.spacing_row_mm, image.spacing_column_mm) == pytest.approx(spacing)


@pytest.mark.parametrize(("center", "width"), [(b"40,51", b"400"), (b"40.51", b"-40"), (b"40.51", b"4;0")])
def test_a_window_that_cannot_be_used_counts_as_none(
    project: Project, tmp_path: Path, center: bytes, width: bytes
) -> None:
    def windowed(dataset: FileDataset) -> None:
        dataset.WindowCenter, dataset.WindowWidth = 40.51, 777.5

    report = _import(project, _written(tmp_path / "a.dcm", windowed, (b"40.51", center), (b"777.5", width.ljust(5))))
    assert (report.added, report.rejected) == (1, [])
    assert f"1 pictures: {NO_WINDOW}" in report.notes
    image, _ = _only(project)
    assert (image.window_center, image.window_width) == (None, None)


def test_a_window_of_the_file_that_cannot_be_read_is_not_called_absent(project: Project, tmp_path: Path) -> None:
    def windowed(dataset: FileDataset) -> None:
        dataset.WindowCenter, dataset.WindowWidth = 40.51, 777.5

    path = _written(tmp_path / "a.dcm", windowed, (b"40.51", b"40,51"))
    [fault] = _import(project, path, window="file").rejected
    assert fault.reason == "its WindowCenter and WindowWidth cannot be read. Give one as CENTRE:WIDTH"
    [fault] = _import(project, sample("CT_small.dcm"), window="file").rejected
    assert fault.reason == "the file has no window of its own. Give one as CENTRE:WIDTH"


def test_a_voi_lut_that_cannot_be_used_counts_as_none(project: Project, tmp_path: Path) -> None:
    for number, entries in enumerate(([7] * 20, [7])):

        def with_lut(dataset: FileDataset, entries: list[int] = entries) -> None:
            item = Dataset()
            item.LUTDescriptor, item.LUTData = [len(entries), 0, 16], b"".join(n.to_bytes(2, "little") for n in entries)
            dataset.VOILUTSequence = Sequence([item])

        report = _import(project, changed(tmp_path / f"{number}.dcm", "CT_small.dcm", with_lut, seed=number))
        assert (report.added, report.notes[0]) == (1, f"1 pictures: {NO_VOI_LUT}")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", ["nan", 0, 0]),
        ("ImagePositionPatient", [0, 0]),
        ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0]),
        ("ImageOrientationPatient", [1, 0, 0, 0.7, 0.7, 0]),
    ],
)
def test_a_place_in_the_patient_that_cannot_be_used_is_unknown(
    project: Project, tmp_path: Path, keyword: str, value: object
) -> None:
    path = changed(tmp_path / "a.dcm", "CT_small.dcm", lambda dataset: setattr(dataset, keyword, value))
    report = _import(project, path)
    assert (report.added, report.rejected) == (1, [])
    assert f"1 pictures: {NO_PLACE}" in report.notes
    image, _ = _only(project)
    assert image.affine is None
    assert image.spacing_row_mm is not None


def test_a_covariate_that_cannot_be_read_is_absent_and_counted(project: Project, tmp_path: Path) -> None:
    def covariates(dataset: FileDataset) -> None:
        dataset.EchoTime, dataset.PatientAge, dataset.KVP = 12.75, "041Y", 120

    path = _written(tmp_path / "a.dcm", covariates, (b"12.75", b"12,75"), (b"041Y", b"abc "))
    report = _import(project, path, covariates=("EchoTime", "PatientAge", "KVP"))
    assert (report.added, report.rejected) == (1, [])
    assert "1 pictures: EchoTime: expected one number, got '12,75'; it counts as absent" in report.notes
    assert (
        "1 pictures: PatientAge: expected an age in years, got what is no number; it counts as absent" in report.notes
    )
    image, _ = _only(project)
    assert image.covariates == {"KVP": 120.0}


def test_what_must_be_read_and_fails_is_named(project: Project, tmp_path: Path) -> None:
    content = sample("examples_palette.dcm").read_bytes()
    descriptor = b"\x28\x00\x01\x11US\x06\x00"
    assert content.count(descriptor) == 1
    (tmp_path / "palette.dcm").write_bytes(content.replace(descriptor, descriptor[:6] + b"\x07\x00\x00"))
    [fault] = _import(project, tmp_path / "palette.dcm").rejected
    assert fault.reason == "RedPaletteColorLookupTableDescriptor cannot be read"


@pytest.mark.parametrize(
    ("name", "keyword", "reason"),
    [
        ("CT_small.dcm", "BitsAllocated", "BitsAllocated: 0 bits allocated, expected 8 or 16"),
        ("CT_small.dcm", "BitsStored", "BitsStored: 0 bits stored of 16 allocated"),
        ("CT_small.dcm", "SamplesPerPixel", "SamplesPerPixel: 0 samples a pixel, and MONOCHROME2 has 1"),
        ("examples_rgb_color.dcm", "PlanarConfiguration", "PlanarConfiguration: expected 0 or 1"),
        ("examples_palette.dcm", "RedPaletteColorLookupTableData", "the colours of its palette cannot be looked up"),
    ],
)
def test_an_attribute_that_is_missing_is_named(
    project: Project, tmp_path: Path, name: str, keyword: str, reason: str
) -> None:
    path = changed(tmp_path / "a.dcm", name, lambda dataset: delattr(dataset, keyword))
    [fault] = _import(project, path).rejected
    assert fault.reason.startswith(reason)


def test_a_file_that_does_not_say_whether_values_have_a_sign_is_refused(project: Project, tmp_path: Path) -> None:
    path = changed(tmp_path / "a.dcm", "CT_small.dcm", lambda dataset: delattr(dataset, "PixelRepresentation"))
    [fault] = _import(project, path).rejected
    assert fault.reason.startswith("PixelRepresentation: expected 0 (unsigned) or 1 (signed)")
