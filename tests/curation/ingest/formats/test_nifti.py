"""NIfTI volumes are imported as slices of the chosen plane, value for value, in their place."""

import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from curation.ingest.formats import nifti_values
from curation.ingest.formats.nifti_files import NO_PLACE
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image, Mask
from tests.rows import NOW

PACKAGED = Path(nibabel.__file__).parent / "tests" / "data"
TO_LPS = np.diag([-2.0, -3.0, 4.0, 1.0])  # voxels of 2 x 3 x 4 mm that run to the left and the back


def _import(project: Project, path: Path, **request: object) -> ImportReport:
    return import_image_folder(project, NOW, path, request=ImportRequest(**{"label": "brain", **request}))


def _volume(seed: int, low: int = -500, high: int = 1500, dtype: str = "<i2") -> NDArray[np.generic]:
    return np.random.default_rng(seed).integers(low, high, (10, 12, 14)).astype(dtype)


def _save(path: Path, values: NDArray[np.generic], affine: NDArray[np.float64] = TO_LPS, **header: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values, affine)
    if header:
        image.header.set_slope_inter(header["slope"], header["inter"])
    nibabel.save(image, path)
    return path


def _images(project: Project) -> list[Image]:
    with project.database.read() as session:
        return list(session.scalars(select(Image).order_by(Image.frame)))


def _values(project: Project, image: Image) -> NDArray[np.float64]:
    stored = project.store.pixels(image.file_sha256)[:, :, 0].astype(float)
    return (stored - image.signed_offset) * image.rescale_slope + image.rescale_intercept


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_pixel_of_a_slice_lies_where_its_affine_says(project: Project, tmp_path: Path, plane: str) -> None:
    volume = _volume(1)
    _import(project, _save(tmp_path / "v.nii.gz", volume), plane=plane)
    to_voxel = np.linalg.inv(TO_LPS)
    for image in _images(project):
        values = _values(project, image)
        for row, column in [(0, 0), (3, 5), (values.shape[0] - 1, values.shape[1] - 1)]:
            place = np.array(image.affine) @ [row, column, 0, 1]
            i, j, k = np.rint(to_voxel @ place)[:3].astype(int)
            assert values[row, column] == volume[i, j, k]


def test_slices_stand_as_a_radiologist_looks_at_them(project: Project, tmp_path: Path) -> None:
    volume = np.zeros((10, 12, 14), np.int16)
    volume[0, :, 3] = 7  # the affine runs to the left, so the first voxels are at the patient's right
    volume[:, 0, 3] += 40  # and to the back, so these are at the front
    _import(project, _save(tmp_path / "v.nii", volume))
    [image] = _images(project)
    values = _values(project, image)
    assert values.shape == (12, 10)
    assert (values[1:, 0] == 7).all()
    assert (values[0, 1:] == 40).all()
    assert (image.spacing_row_mm, image.spacing_column_mm, image.frame) == (3, 2, 3)


def test_a_range_of_slices_is_taken_and_blank_ones_are_one_line(project: Project, tmp_path: Path) -> None:
    volume = _volume(2)
    volume[:, :, 6] = 3
    report = _import(project, _save(tmp_path / "v.nii.gz", volume), slices=(4, 11, 2))
    assert [image.frame for image in _images(project)] == [4, 8, 10]
    assert [fault.reason for fault in report.rejected] == ["1 of 4 slices are blank: one value everywhere"]


def test_slope_and_intercept_are_kept_beside_exact_integers(project: Project, tmp_path: Path) -> None:
    _import(project, _save(tmp_path / "v.nii.gz", _volume(3), slope=0.5, inter=-10.0), slices=(0, 1, 1))
    [image] = _images(project)
    assert (image.rescale_slope, image.rescale_intercept, image.signed_offset) == (0.5, -10.0, 32768)


def test_floating_point_is_refused_unless_it_may_be_brought_to_steps(project: Project, tmp_path: Path) -> None:
    volume = np.random.default_rng(4).normal(0, 1, (10, 12, 14)).astype(np.float32)
    path = _save(tmp_path / "v.nii.gz", volume)
    [fault] = _import(project, path).rejected
    assert "--quantise" in fault.reason
    _import(project, path, quantise=True)
    worst = max(
        float(np.abs(_values(project, image) - volume[:, :, image.frame].T).max()) for image in _images(project)
    )
    assert worst <= (volume.max() - volume.min()) / 65_535
    whole = _save(tmp_path / "w.nii.gz", np.rint(volume * 100))
    assert _import(project, whole).added == 14


def test_a_volume_of_bytes_stays_as_it_is_where_steps_are_allowed(project: Project, tmp_path: Path) -> None:
    volume = _volume(5, 0, 256, "u1")
    report = _import(project, _save(tmp_path / "v.nii.gz", volume), quantise=True)
    assert (report.added, report.rejected) == (14, [])
    assert {image.bits for image in _images(project)} == {8}


def test_masks_lie_on_the_picture_and_say_what_is_there(project: Project, tmp_path: Path) -> None:
    for number in range(3):
        drawn = np.zeros((10, 12, 14), np.uint8)
        drawn[2:5, 3:9, 4:6] = 2
        _save(tmp_path / "set" / "images" / f"s{number}.nii.gz", _volume(number))
        if number:
            _save(tmp_path / "set" / "masks" / f"s{number}_seg.nii.gz", drawn)
    report = _import(
        project,
        tmp_path / "set",
        label=None,
        label_from="mask",
        masks=(("lesion", "masks/{stem}_seg.nii.gz"),),
        subject_pattern=r"(s\d)\.nii",
        size=(24, 20),
    )
    totals = {
        name: sum(counts.get(name, 0) for counts in report.counts.values()) for name in ("lesion", "none of the labels")
    }
    assert totals == {"lesion": 4, "none of the labels": 38}
    with project.database.read() as session:
        masks = session.scalars(select(Mask)).all()
    assert len(masks) == 4
    mask = project.store.pixels(masks[0].file_sha256)[:, :, 0]
    assert mask.shape == (24, 20)
    assert mask.sum() == 6 * 3 * 4  # twice as large each way


def test_a_mask_on_another_grid_is_one_line(project: Project, tmp_path: Path) -> None:
    _save(tmp_path / "set" / "v.nii", _volume(1))
    _save(tmp_path / "set" / "v_seg.nii", _volume(2, 0, 2, "u1"), np.eye(4))
    report = _import(project, tmp_path / "set", masks=(("lesion", "{dir}/{stem}_seg.nii"),))
    assert [fault.reason for fault in report.rejected] == ["its mask lies on another grid: shape or affine differ"]


def test_a_volume_whose_axes_fall_together_has_no_place(project: Project, tmp_path: Path) -> None:
    together = np.eye(4)
    together[:2, :2] = [[1e6, 1e6], [0, 1e-12]]  # its determinant is 1e-6, and yet two axes run alike
    flat = np.diag([2.0, 2.0, 0.0, 1.0])
    for number, affine in enumerate((together, flat)):
        path = _save(tmp_path / "v.nii", _volume(number))
        image = nibabel.load(path)
        image.header["sform_code"], image.header["qform_code"] = 1, 0
        image.header["vox_offset"] = 352
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            image.header[name] = affine[row]
        content = bytearray(path.read_bytes())
        content[:348] = image.header.binaryblock
        path.write_bytes(content)
        report = _import(project, path)
        assert (report.added, report.rejected) == (14, [])
        assert f"14 pictures: {NO_PLACE.format('srow_x, srow_y, srow_z')}" in report.notes
        assert all(image.affine is None for image in _images(project))


@pytest.mark.parametrize(
    ("name", "added", "reason"),
    [
        ("anatomical.nii", 25, None),
        ("standard.nii.gz", 7, None),
        ("functional.nii", 0, "holds 20 volumes. Choose one with --volume N, from 0 to 19"),
        ("example4d.nii.gz", 0, "holds 2 volumes"),
        ("example_nifti2.nii.gz", 0, "holds 2 volumes"),
        ("row_major.dconn.nii", 0, "Cifti2"),
    ],
)
def test_the_files_inside_nibabels_package(project: Project, name: str, added: int, reason: str | None) -> None:
    report = _import(project, PACKAGED / name)
    assert report.added == added
    assert (reason or "") in " ".join(fault.reason for fault in report.rejected)


@pytest.mark.parametrize(
    ("name", "number"), [("functional.nii", 7), ("example4d.nii.gz", 1), ("example_nifti2.nii.gz", 0)]
)
def test_one_volume_of_a_series_comes_in_like_a_volume_of_its_own(
    project: Project, tmp_path: Path, name: str, number: int
) -> None:
    whole = nibabel.load(PACKAGED / name)
    single = nibabel.Nifti1Image(whole.dataobj.get_unscaled()[..., number], whole.affine)
    single.header.set_slope_inter(whole.dataobj.slope, whole.dataobj.inter)
    single.header.set_xyzt_units(*whole.header.get_xyzt_units())
    nibabel.save(single, tmp_path / "one.nii.gz")
    report = _import(project, PACKAGED / name, volume=number, quantise=True)
    assert report.added > 0
    again = _import(project, tmp_path / "one.nii.gz", quantise=True)
    assert (again.added + len(again.duplicates), again.already) == (0, report.added)
    shown, canonical = _images(project)[0], nibabel.as_closest_canonical(nibabel.load(tmp_path / "one.nii.gz"))
    expected = np.asarray(canonical.dataobj)[:, :, shown.frame].T[::-1, ::-1]
    assert np.allclose(_values(project, shown), expected, atol=0.01)


def test_a_volume_that_is_not_there_is_one_line(project: Project, tmp_path: Path) -> None:
    [fault] = _import(project, PACKAGED / "functional.nii", volume=20).rejected
    assert fault.reason == "holds 20 volumes, and --volume 20 counts from 0"
    path = _save(tmp_path / "v.nii", _volume(1))
    assert [fault.reason for fault in _import(project, path, volume=1).rejected] == [
        "holds 1 volume, and --volume 1 counts from 0"
    ]
    assert _import(project, path, volume=0).added == 14


def test_volumes_of_one_series_have_names_of_their_own_and_masks_of_a_series_go_along(
    project: Project, tmp_path: Path
) -> None:
    series, drawn = np.stack([_volume(1), _volume(2)], axis=-1), np.zeros((10, 12, 14, 2), np.uint8)
    drawn[2:5, 3:9, 4:6, 1] = 1
    _save(tmp_path / "set" / "v.nii.gz", series)
    _save(tmp_path / "set" / "v_seg.nii.gz", drawn)
    request = {"masks": (("lesion", "{dir}/{stem}_seg.nii.gz"),), "label": None, "label_from": "mask"}
    for number in (0, 1):
        report = _import(project, tmp_path / "set", volume=number, public_subjects=True, **request)
        assert (report.added, report.rejected) == (14, [])
    names = [image.source_file for image in _images(project)]
    assert sorted(names) == sorted(f"v.nii.gz#{number}.{position}" for number in (0, 1) for position in range(14))
    with project.database.read() as session:
        masked = session.scalars(select(Image.source_file).join(Mask, Mask.image_id == Image.id)).all()
    assert sorted(masked) == ["v.nii.gz#1.4", "v.nii.gz#1.5"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_of_a_long_series_one_volume_alone_is_held_in_memory(tmp_path: Path, suffix: str) -> None:
    series = np.random.default_rng(6).integers(0, 9, (96, 96, 64, 12)).astype("<i2")
    image = nibabel.load(_save(tmp_path / f"v{suffix}", series))
    tracemalloc.start()
    values = nifti_values.read_raw_values(image, 11)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(values, series[..., 11])
    assert peak < 2 * values.nbytes


def test_a_volume_and_a_series_have_bounds_of_their_own(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _save(tmp_path / "v.nii.gz", np.stack([_volume(number) for number in range(12)], axis=-1))
    size = 10 * 12 * 14 * 2
    monkeypatch.setattr(nifti_values, "MAX_BYTES", size)
    assert _import(project, path, volume=11, slices=(3, 4, 1)).added == 1
    for limit, most in (("MAX_SERIES_BYTES", 12 * size - 1), ("MAX_BYTES", size - 1)):
        monkeypatch.setattr(nifti_values, limit, most)
        [fault] = _import(project, path, volume=10).rejected
        assert "refused as a decompression bomb" in fault.reason


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_volume_of_colours_gives_slices_of_rgb_where_gray_ones_would_lie(
    project: Project, tmp_path: Path, plane: str
) -> None:
    gray = _volume(5, 0, 256, "u1")
    colours = np.zeros(gray.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["R"], colours["G"], colours["B"] = gray, 255 - gray, gray // 2
    report = _import(project, _save(tmp_path / "c.nii.gz", colours), plane=plane)
    assert report.rejected == []
    for image in _images(project):
        values = project.store.pixels(image.file_sha256)
        row, column = 2, 4
        i, j, k = np.rint(np.linalg.inv(TO_LPS) @ np.array(image.affine) @ [row, column, 0, 1])[:3].astype(int)
        level = int(gray[i, j, k])
        assert values[row, column].tolist() == [level, 255 - level, level // 2]
    assert (image.bits, image.channels) == (8, 3)


def test_colours_with_transparency_and_complex_numbers_are_refused(project: Project, tmp_path: Path) -> None:
    names = [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")]
    for number, values in enumerate((np.zeros((10, 12, 14), names), np.zeros((10, 12, 14), "c8"))):
        [fault] = _import(project, _save(tmp_path / f"{number}.nii", values)).rejected
        assert fault.reason.startswith(("values of type RGBA", "values of type complex64"))
