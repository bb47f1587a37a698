"""DICOM files of many kinds are imported value for value; files that are no picture are refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.processing import apply_modality_lut, apply_rescale, apply_voi_lut
from pydicom.sequence import Sequence
from sqlalchemy import select

from curation.ingest.formats.picture_files import quiet_decoders
from curation.ingest.import_report import DuplicateKind, ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image
from tests.curation.ingest.formats.dicom_samples import changed, sample
from tests.rows import NOW


def _import(project: Project, path: Path, **request: object) -> ImportReport:
    return import_image_folder(project, NOW, path, request=ImportRequest(**{"label": "any", **request}))


def _only(project: Project) -> tuple[Image, NDArray[np.float64]]:
    """The one image, and what its stored values stand for."""
    with project.database.read() as session:
        image = session.scalars(select(Image)).one()
    stored = project.store.pixels(image.file_sha256).astype(float)[:, :, 0]
    return image, (stored - image.signed_offset) * image.rescale_slope + image.rescale_intercept


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
        "693_J2KI.dcm",
        "J2K_pixelrep_mismatch.dcm",
        "JPEGLSNearLossless_16.dcm",
        "image_dfl.dcm",
        "examples_overlay.dcm",
        "dicomdirtests/77654033/CT2/17106",
    ],
)
def test_gray_files_of_every_transfer_syntax_keep_depth_sign_and_values(project: Project, name: str) -> None:
    assert _import(project, sample(name)).added == 1
    image, values = _only(project)
    with quiet_decoders():
        dataset = dcmread(sample(name))
        assert np.array_equal(values, apply_rescale(dataset.pixel_array, dataset))
    assert image.bits == dataset.BitsAllocated
    assert image.signed_offset == (1 << (dataset.BitsAllocated - 1) if dataset.PixelRepresentation else 0)
    assert image.modality == dataset.get("Modality")


@pytest.mark.parametrize(
    "name",
    [
        "ExplVR_BigEnd.dcm",
        "examples_rgb_color.dcm",
        "examples_jpeg2k.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_jls_lossy_line.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
@pytest.mark.slow
def test_colour_files_become_rgb_as_pydicom_shows_them(project: Project, name: str) -> None:
    from pydicom.pixels.utils import pixel_array

    _import(project, sample(name))
    image, _ = _only(project)
    assert np.array_equal(project.store.pixels(image.file_sha256), pixel_array(sample(name)))


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
@pytest.mark.slow
def test_twelve_bit_jpeg_keeps_its_values(project: Project, tmp_path: Path, name: str) -> None:
    """pydicom's reference names two values; the sum is what libjpeg-turbo, built for 12 bit, gives for these files."""

    def twice(dataset: FileDataset) -> None:
        dataset.PixelData = encapsulate([next(generate_frames(dataset.PixelData, number_of_frames=1))] * 2)
        dataset.NumberOfFrames = 2

    assert _import(project, sample(name)).added == 1
    image, values = _only(project)
    assert (values[420, 140], values[230, 120], values.sum()) == (244, 95, 3_767_007)
    assert (image.bits, image.height, image.width) == (16, 1024, 256)
    report = _import(project, changed(tmp_path / "a.dcm", name, twice))
    assert (report.rejected, report.added + report.already + report.left_out) == ([], 2)


def test_a_palette_is_looked_up(project: Project) -> None:
    from pydicom.pixels.processing import apply_color_lut

    report = _import(project, sample("examples_palette.dcm"))
    image, _ = _only(project)
    dataset = dcmread(sample("examples_palette.dcm"))
    shown = apply_color_lut(dataset.pixel_array, dataset) >> 8
    assert np.array_equal(project.store.pixels(image.file_sha256), shown)
    assert "1 pictures: a palette of 16 bit colours was brought to 8 bit" in report.notes


def test_geometry_is_that_of_the_header(project: Project) -> None:
    _import(project, sample("CT_small.dcm"))
    image, _ = _only(project)
    dataset = dcmread(sample("CT_small.dcm"))
    assert [image.spacing_row_mm, image.spacing_column_mm] == list(dataset.PixelSpacing)
    assert image.affine is not None
    affine = np.array(image.affine)
    left, posterior, superior = dataset.ImagePositionPatient
    assert affine @ [0, 0, 0, 1] == pytest.approx([-left, -posterior, superior, 1])
    assert affine @ [0, 1, 0, 0] == pytest.approx([-dataset.PixelSpacing[1], 0, 0, 0])  # columns run to the left


def _window(dataset: FileDataset) -> None:
    dataset.WindowCenter, dataset.WindowWidth = [300, 40], [800, 400]


def test_the_first_window_is_kept(project: Project, tmp_path: Path) -> None:
    _import(project, changed(tmp_path / "a.dcm", "CT_small.dcm", _window))
    image, _ = _only(project)
    assert (image.window_center, image.window_width) == (300, 800)


def test_monochrome1_is_turned_so_that_the_same_window_shows_what_it_should(project: Project, tmp_path: Path) -> None:
    def as_film(dataset: FileDataset) -> None:
        _window(dataset)
        dataset.Modality, dataset.PhotometricInterpretation = "CR", "MONOCHROME1"
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, -100

    path = changed(tmp_path / "a.dcm", "CT_small.dcm", as_film)
    report = _import(project, path)
    image, values = _only(project)
    dataset = dcmread(path)
    meant = ((apply_rescale(dataset.pixel_array, dataset) - 300) / 800 + 0.5).clip(0, 1)  # PS3.3, C.11.2.1.3.2
    meant = 1 - meant  # PS3.3, C.7.6.3.1.2: the least value is white, after the window
    assert image.window_center is not None
    assert image.window_width is not None
    shown = ((values - image.window_center) / image.window_width + 0.5).clip(0, 1)
    assert shown == pytest.approx(meant, abs=1e-9)
    assert "1 pictures: MONOCHROME1 was turned, so that higher is brighter" in report.notes


def test_monochrome1_of_calibrated_values_is_refused(project: Project, tmp_path: Path) -> None:
    path = changed(
        tmp_path / "a.dcm", "CT_small.dcm", lambda dataset: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1")
    )
    [fault] = _import(project, path).rejected
    assert "MONOCHROME1 with calibrated values" in fault.reason


def _lut(first: int, values: list[int], bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item.LUTData = np.array(values, "<u2").tobytes()
    return Sequence([item])


def test_a_modality_lut_is_applied_and_a_voi_lut_becomes_a_window(project: Project, tmp_path: Path) -> None:
    def with_luts(dataset: FileDataset) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept
        item = _lut(0, [min(4095, n * n // 500) for n in range(2200)], 16)
        item[0].ModalityLUTType = "US"
        dataset.ModalityLUTSequence = item
        dataset.VOILUTSequence = _lut(1000, [0] * 100 + list(range(0, 4000, 10)) + [4000] * 100, 12)
        dataset.PixelRepresentation = 0

    path = changed(tmp_path / "a.dcm", "CT_small.dcm", with_luts)
    _import(project, path)
    image, values = _only(project)
    dataset = dcmread(path)
    assert np.array_equal(values, apply_modality_lut(dataset.pixel_array, dataset))
    assert image.window_center == pytest.approx(1300, abs=5)
    assert image.window_width == pytest.approx(384, abs=10)
    ramp = np.arange(900, 1700)
    meant = apply_voi_lut(ramp.astype(np.uint16), dataset) / 4000
    shown = ((ramp - image.window_center) / image.window_width + 0.5).clip(0, 1)  # type: ignore[operator]
    assert np.abs(shown - meant).max() < 0.03


@pytest.mark.slow
def test_a_multi_frame_file_gives_one_image_a_frame_of_one_subject(project: Project) -> None:
    report = _import(project, sample("examples_ybr_color.dcm"))
    assert (report.added, len(report.duplicates_of_kind(DuplicateKind.SAME_SUBJECT))) == (
        28,
        2,
    )  # two frames come again
    with project.database.read() as session:
        images = session.scalars(select(Image).order_by(Image.frame)).all()
        assert {image.frame for image in images} <= set(range(30))
        assert len({image.subject_id for image in images}) == 1
        assert len({image.source_file for image in images}) == 28


@pytest.mark.slow
def test_an_enhanced_file_takes_geometry_from_its_functional_groups(project: Project, tmp_path: Path) -> None:
    def enhanced(dataset: FileDataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
        dataset.NumberOfFrames = 2
        dataset.PixelData = dataset.PixelData + np.frombuffer(dataset.PixelData, "<i2")[::-1].tobytes()
        del dataset.PixelSpacing, dataset.ImagePositionPatient
        shared, measures = Dataset(), Dataset()
        measures.PixelSpacing = [0.5, 0.25]
        shared.PixelMeasuresSequence = Sequence([measures])
        dataset.SharedFunctionalGroupsSequence = Sequence([shared])
        frames = []
        for number in range(2):
            frame, values, voi, position = Dataset(), Dataset(), Dataset(), Dataset()
            values.RescaleSlope, values.RescaleIntercept, values.RescaleType = number + 2, -7, "US"
            voi.WindowCenter, voi.WindowWidth = 100 * (number + 1), 50
            position.ImagePositionPatient = [0, 0, number]
            frame.PixelValueTransformationSequence = Sequence([values])
            frame.FrameVOILUTSequence = Sequence([voi])
            frame.PlanePositionSequence = Sequence([position])
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)

    _import(project, changed(tmp_path / "a.dcm", "MR_small.dcm", enhanced))
    with project.database.read() as session:
        images = session.scalars(select(Image).order_by(Image.frame)).all()
    assert [(i.rescale_slope, i.rescale_intercept, i.window_center) for i in images] == [(2, -7, 100), (3, -7, 200)]
    assert [(i.spacing_row_mm, i.spacing_column_mm) for i in images] == [(0.5, 0.25)] * 2
    assert [i.affine[2][3] for i in images if i.affine] == [0, 1]
