"""What a NIfTI header says of values, place and units is applied, or kept as unknown and said."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from curation.ingest.formats.nifti_files import NO_ORIENTATION, NO_PLACE, NO_UNIT, TURNED_SLOPE
from curation.project import Project
from tests.curation.ingest.formats.test_nifti import TO_LPS, _images, _import, _save, _values, _volume


def _patched(path: Path, **fields: Any) -> Path:
    """The same file with these header fields, which nibabel would not write."""
    content = bytearray(path.read_bytes())
    header = nibabel.Nifti1Header(bytes(content[:348]))
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(content)
    return path


def test_an_orientation_that_is_not_stated_is_not_invented(project: Project, tmp_path: Path) -> None:
    volume = _volume(5)
    path = _patched(_save(tmp_path / "v.nii", volume, np.diag([1, 1, 1, 1])), sform_code=0, qform_code=0)
    for plane in ("coronal", "sagittal"):
        [fault] = _import(project, path, plane=plane).rejected
        assert fault.reason.startswith(f"sform_code and qform_code are 0, so nothing says where its {plane} slices are")
    report = _import(project, path)
    assert (report.added, report.rejected) == (14, [])
    assert f"14 pictures: {NO_ORIENTATION}" in report.notes
    for image in _images(project):
        assert image.affine is None
        assert (image.spacing_row_mm, image.spacing_column_mm) == (1, 1)
        assert np.array_equal(_values(project, image), volume[:, ::-1, image.frame].T)  # the second axis upwards


@pytest.mark.parametrize("field", ["sform_code", "qform_code"])
def test_an_orientation_that_is_stated_once_is_used(project: Project, tmp_path: Path, field: str) -> None:
    image = nibabel.Nifti1Image(_volume(6), TO_LPS)
    image.set_sform(TO_LPS, code=1 if field == "sform_code" else 0)
    image.set_qform(TO_LPS, code=1 if field == "qform_code" else 0)
    nibabel.save(image, tmp_path / "v.nii")
    report = _import(project, tmp_path / "v.nii")
    assert not any(NO_ORIENTATION in note for note in report.notes)
    assert all(image.affine for image in _images(project))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"srow_y": [0, np.nan, 0, 0]}, "srow_y"),
        ({"srow_x": [np.inf, 0, 0, 0], "srow_z": [0, 0, 1, np.nan]}, "srow_x, srow_z"),
        ({"srow_x": [0, 0, 0, 5]}, "srow_x, srow_y, srow_z"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": np.nan}, "quatern_b"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": 1, "quatern_c": 1}, "quatern_b, quatern_c, quatern_d"),
        ({"sform_code": 0, "qform_code": 1, "qoffset_z": np.inf}, "qoffset_z"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_place_that_cannot_be_used_is_unknown_and_names_its_field(
    project: Project, tmp_path: Path, fields: dict[str, Any], named: str, suffix: str
) -> None:
    volume = _volume(5)
    path = _patched(_save(tmp_path / "v.nii", volume), **fields)
    if suffix == ".nii.gz":
        path = tmp_path / "v.nii.gz"
        path.write_bytes(gzip.compress((tmp_path / "v.nii").read_bytes()))
    [fault] = _import(project, path, plane="coronal").rejected
    assert fault.reason.startswith(f"{named} cannot be used, so nothing says where its coronal slices are")
    report = _import(project, path)
    assert (report.added, report.rejected) == (14, [])
    assert f"14 pictures: {NO_PLACE.format(named)}" in report.notes
    for image in _images(project):
        assert image.affine is None
        assert np.array_equal(_values(project, image), volume[:, ::-1, image.frame].T)


@pytest.mark.parametrize(("code", "unit_mm"), [(1, 1_000.0), (2, 1.0), (3, 0.001), (0, 1.0), (5, 1.0)])
def test_spacing_and_affine_are_brought_to_millimetres_by_the_unit(
    project: Project, tmp_path: Path, code: int, unit_mm: float
) -> None:
    report = _import(project, _patched(_save(tmp_path / "v.nii", _volume(7)), xyzt_units=code + 8))
    image = _images(project)[0]
    assert (image.spacing_row_mm, image.spacing_column_mm) == pytest.approx((3 * unit_mm, 2 * unit_mm))
    assert image.affine is not None
    assert abs(image.affine[1][0]) == pytest.approx(3 * unit_mm)
    assert (f"14 pictures: {NO_UNIT}" in report.notes) is (code in (0, 5))


@pytest.mark.parametrize("slope", [0.0, float("nan")])
def test_a_slope_of_0_or_none_scales_nothing(project: Project, tmp_path: Path, slope: float) -> None:
    volume = _volume(8)
    _import(project, _patched(_save(tmp_path / "v.nii", volume), scl_slope=slope, scl_inter=-7))
    image = _images(project)[0]
    assert _values(project, image).min() == volume[:, :, image.frame].min()


def test_an_intercept_that_is_no_number_is_named(project: Project, tmp_path: Path) -> None:
    [fault] = _import(project, _patched(_save(tmp_path / "v.nii", _volume(8)), scl_slope=1, scl_inter=np.inf)).rejected
    assert fault.reason == "its NIfTI header cannot be used: scl_inter: expected a finite number, got inf"


@pytest.mark.parametrize("low", [-900, 0])
def test_a_negative_slope_is_turned_and_stands_for_the_same(project: Project, tmp_path: Path, low: int) -> None:
    volume = _volume(9, low, 900)
    report = _import(project, _save(tmp_path / "v.nii", volume, slope=-0.5, inter=10.0))
    image = _images(project)[0]
    assert image.rescale_slope == 0.5
    assert np.allclose(np.sort(_values(project, image).ravel()), np.sort(10 - 0.5 * volume[:, :, image.frame].ravel()))
    assert f"14 pictures: {TURNED_SLOPE}" in report.notes


def test_equal_values_are_stored_alike_whatever_type_and_slope_hold_them(project: Project, tmp_path: Path) -> None:
    """As dcm2niix and others write one CT: signed, raw with an intercept, in steps of two, as whole floats."""
    values = (_volume(10, -500, 700) * 2).astype("<i2")
    values[0, 0, 0] = -1024
    forms = {
        "signed": _save(tmp_path / "a" / "signed.nii", values),
        "raw": _save(tmp_path / "a" / "raw.nii", (values + 1024).astype("<u2"), slope=1.0, inter=-1024.0),
        "halved": _save(tmp_path / "a" / "halved.nii", (values // 2).astype("<i2"), slope=2.0, inter=0.0),
        "floats": _save(tmp_path / "a" / "floats.nii", values.astype("<f4")),
    }
    report = _import(project, tmp_path / "a", subject_pattern=r"(\w+)\.nii", slices=(0, 2, 1))
    images = _images(project)
    assert len(images) == 2 * len(forms)
    assert {(image.rescale_slope, image.rescale_intercept, image.signed_offset) for image in images} == {(1, 0, 32768)}
    assert len({image.pixel_sha256 for image in images}) == 2
    assert not any("scales" in note for note in report.notes)


def test_a_volume_without_negative_values_is_stored_as_its_neighbours(project: Project, tmp_path: Path) -> None:
    _save(tmp_path / "a" / "1.nii", _volume(11, 0, 900))
    _save(tmp_path / "a" / "2.nii", _volume(12, -1, 900))
    report = _import(project, tmp_path / "a")
    assert {image.signed_offset for image in _images(project)} == {32768}
    assert not any("scales" in note for note in report.notes)


def test_fields_of_display_and_intent_change_no_value(project: Project, tmp_path: Path) -> None:
    volume = _volume(13)
    path = _patched(_save(tmp_path / "v.nii", volume), cal_min=-5, cal_max=5, intent_code=1002, xyzt_units=2)
    report = _import(project, path)
    assert not any(image.window_center for image in _images(project))
    assert not any("pictures:" in note for note in report.notes)
    image = _images(project)[0]
    assert np.array_equal(_values(project, image), volume[:, :, image.frame].T)
