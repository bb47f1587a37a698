"""Equal values are stored alike, or import, snapshot and training say that they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from sqlalchemy import select

from cli.main import rounds
from curation.errors import BadInput
from curation.ingest.formats.dicom_frames import CONTRADICTION, INVERTED, NOT_SQUARE, TURNED_SLOPE
from curation.ingest.formats.value_remarks import OTHER_UNIT
from curation.ingest.import_report import ImportReport
from curation.ingest.incoming import Geometry, IncomingImage
from curation.ingest.preparing import NOT_WINDOWED, prepare
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.tables.images import Image
from tests.curation.ingest.formats.dicom_samples import changed
from tests.curation.ingest.sources.folders import encoded
from tests.rows import NOW, picture

HU = np.random.default_rng(6).integers(-1000, 1500, (128, 128))
Change = Callable[[FileDataset], None]


def _scanner(values: NDArray[np.integer], slope: float, intercept: float, signed: bool, **attributes: object) -> Change:
    """What makes a CT that stands for `values` as this scanner writes it."""

    def change(dataset: FileDataset) -> None:
        dataset.PixelData = ((values - intercept) / slope).astype("<i2" if signed else "<u2").tobytes()
        dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept = int(signed), slope, intercept
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return change


def _folder(root: Path, **changes: Change) -> Path:
    for name, change in changes.items():
        changed(root / "files" / "a" / f"{name}.dcm", "CT_small.dcm", change)
    return root / "files"


def _import(project: Project, path: Path, **request: object) -> ImportReport:
    options = ImportRequest(**{"subject_pattern": r"(\w+)\.dcm", "public_subjects": True, **request})
    return import_image_folder(project, NOW, path, request=options)


def _images(project: Project) -> list[Image]:
    with project.database.read() as session:
        return list(session.scalars(select(Image).order_by(Image.source_file)))


def _values(project: Project, image: Image) -> NDArray[np.float64]:
    stored = project.store.pixels(image.file_sha256)[:, :, 0].astype(float)
    return (stored - image.signed_offset) * image.rescale_slope + image.rescale_intercept


def _scale_notes(report: ImportReport) -> list[str]:
    return [note for note in report.notes if "scale" in note]


def _with_lut(dataset: FileDataset) -> None:
    _scanner(HU, 1, -1024, False)(dataset)
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "HU"
    item.LUTData = np.arange(4096, dtype="<u2").tobytes()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.ModalityLUTSequence = Sequence([item])


def test_equal_hounsfield_units_are_stored_alike_whatever_scanner_wrote_them(project: Project, tmp_path: Path) -> None:
    report = _import(
        project,
        _folder(
            tmp_path,
            signed=_scanner(HU, 1, 0, True),
            unsigned=_scanner(HU, 1, -1024, False),
            reversed=_scanner(HU, -1, 2000, True),
            other=_scanner(HU, 1, 0, True, Modality="OT", RescaleType="HU"),
        ),
    )
    images = _images(project)
    assert len(images) == 4
    assert len({image.pixel_sha256 for image in images}) == 1
    assert {(image.rescale_slope, image.rescale_intercept, image.signed_offset) for image in images} == {(1, 0, 32768)}
    assert all(np.array_equal(_values(project, image), HU) for image in images)
    assert _scale_notes(report) == []


def test_a_lookup_table_to_hounsfield_units_and_other_imports_come_to_the_same_scale(
    project: Project, tmp_path: Path
) -> None:
    for number, change in enumerate((_with_lut, _scanner(HU, 1, -1024, False))):
        report = _import(project, _folder(tmp_path / str(number), x=change))
        assert (report.added, _scale_notes(report)) == (1, [])
    looked_up, rescaled = (_values(project, image) for image in _images(project))
    assert np.array_equal(looked_up, rescaled + 1024)  # the table gives what it is asked with


def test_values_that_cannot_come_to_one_scale_are_said_at_import_snapshot_and_training(
    project: Project, tmp_path: Path
) -> None:
    half = _scanner(HU / 2, 0.5, 0, True)  # not whole
    scanners = {f"h{n}": half for n in range(2)} | {"w0": _scanner(HU, 1, 0, True)}
    report = _import(project, _folder(tmp_path, **scanners), label="a")
    [note] = _scale_notes(report)
    assert "on 2 scales: 2 with value = 0.5 x stored - 16,384; 1 with value = stored - 32,768. Equal values" in note
    assert "with --window CENTRE:WIDTH" in note
    [later] = _scale_notes(_import(project, _folder(tmp_path / "later", w1=_scanner(HU, 1, -1024, False))))
    assert later.startswith("The project has real images on another scale than these: 2 with value = 0.5 x stored")
    with project.database.read() as session:
        notice = preview_snapshot(session, MixRecipe(synthetic="none")).mixed_scales
    assert notice is not None
    assert "with value = 0.5 x stored - 16,384" in notice
    assert "--window CENTRE:WIDTH" in notice
    folder = build_snapshot(project, "mixed", MixRecipe(synthetic="none"), NOW, lambda *_: None)
    assert (folder.notice, folder.mixed_scales) == (None, notice)
    assert {(entry["slope"], entry["intercept"]) for entry in folder.manifest["value_scales"]} == {
        (0.5, -16384),
        (1, -32768),
    }
    trained = CliRunner().invoke(rounds, ["--project", str(project.root), "train", "--snapshot", "mixed", "--queue"])
    assert f"snapshot 'mixed': {notice}" in trained.output


def test_a_window_brings_them_to_one_scale(project: Project, tmp_path: Path) -> None:
    scanners = {"half": _scanner(HU / 2, 0.5, 0, True), "whole": _scanner(HU // 2, 1, 0, True)}
    report = _import(project, _folder(tmp_path, **scanners), window=(40.0, 400.0))
    assert (report.added, _scale_notes(report)) == (2, [])
    folder = build_snapshot(project, "one", MixRecipe(synthetic="none"), NOW, lambda *_: None)
    assert (folder.notice, folder.mixed_scales) == (None, None)


def test_values_that_fill_little_of_16_bit_are_said_and_a_window_spreads_them(project: Project, tmp_path: Path) -> None:
    path = _folder(tmp_path, x=_scanner(HU, 1, 0, True))
    little = "The stored values of these 16 bit images lie between 31,768 and 34,267, 3.8% of the range."
    assert any(note.startswith(little) for note in _import(project, path).notes)
    assert not any("of the range" in note for note in _import(project, path, window=(40.0, 400.0)).notes)
    spread = _folder(tmp_path / "wide", x=_scanner(20 * HU, 1, 0, True))
    assert not any("of the range" in note for note in _import(project, spread).notes)


def test_a_window_without_a_width_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a window with a width above 0, got 0"):
        _import(project, _folder(tmp_path, x=_scanner(HU, 1, 0, True)), window=(40.0, 0.0))


def test_windows_of_the_files_are_as_many_scales_as_there_are_windows(project: Project, tmp_path: Path) -> None:
    windows = {
        name: _scanner(HU, 1, 0, True, WindowCenter=center, WindowWidth=400)
        for name, center in (("x", 40), ("y", 60), ("z", 60))
    }
    [note] = _scale_notes(_import(project, _folder(tmp_path, **windows), window="file"))
    assert "on 2 scales: 2 with value = 1.56863 x stored - 140; 1 with value = 1.56863 x stored - 160" in note


def test_signed_and_unsigned_values_without_a_unit_are_counted(project: Project, tmp_path: Path) -> None:
    values = HU + 1000
    mr = {"Modality": "MR"}
    path = _folder(tmp_path, s=_scanner(values, 1, 0, True, **mr), u=_scanner(values, 1, 0, False, **mr))
    [note] = _scale_notes(_import(project, path))
    assert "1 with value = stored - 32,768; 1 with value = stored. Equal" in note


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_negative_slope_is_turned_and_stands_for_the_same(project: Project, tmp_path: Path, photometric: str) -> None:
    attributes = {"Modality": "CR", "PhotometricInterpretation": photometric, "BitsStored": 12, "HighBit": 11}
    change = _scanner(HU + 1000, -1.5, 6_000, False, WindowCenter=1000, WindowWidth=500, **attributes)
    report = _import(project, _folder(tmp_path, x=change))
    [image] = _images(project)
    meant = np.trunc((HU + 1000 - 6_000) / -1.5) * -1.5 + 6_000
    shown = ((meant - 1000) / 500 + 0.5).clip(0, 1)
    assert image.window_center is not None
    stored = ((_values(project, image) - image.window_center) / 500 + 0.5).clip(0, 1)
    assert image.rescale_slope == 1.5
    assert stored == pytest.approx(shown if photometric == "MONOCHROME2" else 1 - shown, abs=1e-9)
    assert f"1 pictures: {TURNED_SLOPE}" in report.notes
    assert (f"1 pictures: {INVERTED}" in report.notes) is (photometric == "MONOCHROME1")


def test_monochrome1_in_hounsfield_units_is_refused_whatever_the_modality(project: Project, tmp_path: Path) -> None:
    attributes = {"Modality": "OT", "RescaleType": "HU", "PhotometricInterpretation": "MONOCHROME1"}
    [fault] = _import(project, _folder(tmp_path, x=_scanner(HU, 1, 0, True, **attributes))).rejected
    assert "MONOCHROME1 with calibrated values" in fault.reason


@pytest.mark.parametrize(
    ("attributes", "note"),
    [
        ({"RescaleType": "US"}, OTHER_UNIT),
        ({"Modality": "MR", "PresentationLUTShape": "INVERSE"}, CONTRADICTION),
        ({"PixelAspectRatio": [4, 3]}, NOT_SQUARE),
    ],
)
def test_what_a_header_says_of_values_and_is_not_applied_is_said(
    project: Project, tmp_path: Path, attributes: dict[str, object], note: str
) -> None:
    report = _import(project, _folder(tmp_path, x=_scanner(HU, 1, 0, True, **attributes)))
    assert f"1 pictures: {note}" in report.notes
    [image] = _images(project)
    assert np.array_equal(_values(project, image), HU)


def test_what_a_header_says_of_display_and_exposure_changes_no_value(project: Project, tmp_path: Path) -> None:
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 7.0, 3.0
    attributes = {
        "PixelPaddingValue": -2000,
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "VOILUTFunction": "SIGMOID",
        "PatientOrientation": ["L", "F"],
        "RealWorldValueMappingSequence": Sequence([item]),
    }
    report = _import(project, _folder(tmp_path, x=_scanner(HU, 1, 0, True, **attributes)))
    [image] = _images(project)
    assert np.array_equal(_values(project, image), HU)
    assert not any("pictures:" in note for note in report.notes)


def test_hounsfield_units_that_have_no_room_keep_their_scale_and_are_said(project: Project, tmp_path: Path) -> None:
    far = HU.copy()
    far[0, 0] = 40_000
    path = _folder(tmp_path, far=_scanner(far, 1, -1024, False), near=_scanner(HU, 1, -1024, False))
    [note] = _scale_notes(_import(project, path))
    assert "1 with value = stored - 32,768; 1 with value = stored - 1,024" in note


def test_eight_bit_gray_with_a_slope_goes_through_a_window_that_is_named() -> None:
    stored = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    image = IncomingImage("x", stored, "a", geometry=Geometry(rescale_slope=8, rescale_intercept=-100))
    ready = prepare(image, ImportRequest(window=(40.0, 400.0)))
    back = ready.pixels * ready.geometry.rescale_slope + ready.geometry.rescale_intercept
    assert np.abs(back - (stored * 8.0 - 100).clip(-160, 240)).max() <= 400 / 255 / 2 + 1e-9
    left = prepare(image, ImportRequest(window="file"))
    assert np.array_equal(left.pixels, stored)
    assert left.notes == (NOT_WINDOWED,)


def test_a_window_where_every_image_has_8_bit_is_refused_and_beside_deeper_ones_counted(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "set" / "a" / f"{number}.png").write_bytes(encoded(picture(number)))
    with pytest.raises(BadInput, match="--window is for 16 bit gray"):
        _import(project, tmp_path / "set", window=(40.0, 400.0), subject_pattern=None)
    (tmp_path / "set" / "a" / "deep.png").write_bytes(encoded(picture(3).astype(np.uint16) * 257))
    report = _import(project, tmp_path / "set", window=(40.0, 400.0), subject_pattern=None)
    assert (report.added, report.notes[0]) == (3, f"2 pictures: {NOT_WINDOWED}")
