"""NIfTI volumes and masks, read by nibabel."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from curation.project import Project
from curation.snapshots.folder import SnapshotFolder
from tests.worlds.exports import AFFINE, SNAPSHOT, export


@pytest.fixture(scope="module")
def files(each_kind: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training split of a NIfTI export with real images."""
    target = tmp_path_factory.mktemp("nifti") / "out"
    export(each_kind, "nifti", target, include_real=True)
    return target / "train"


def test_values_are_those_stored_and_the_header_says_what_they_stand_for(files: Path, each_kind: Project) -> None:
    folder = SnapshotFolder.open(each_kind.root / "snapshots" / SNAPSHOT)
    real = [row for row in folder.rows("train") if row.origin == "real"]
    for path, pixels in zip(sorted(files.glob("real-??????.nii.gz")), folder.pixels(real), strict=True):
        image = nibabel.load(path)
        assert image.shape == (24, 24, 1)
        if pixels.shape[2] == 3:
            raw = np.asarray(image.dataobj)
            assert (np.stack([raw[channel] for channel in "RGB"], axis=-1)[:, :, 0] == pixels).all()
            continue
        assert image.get_data_dtype() == pixels.dtype
        assert (image.dataobj.get_unscaled() == pixels).all()
        assert np.allclose(image.get_fdata(), (pixels.astype(float) - 8) * 2 - 1024)
        assert (float(image.header["cal_min"]), float(image.header["cal_max"])) == (-160, 240)


def test_a_kept_affine_places_the_slice_and_spacing_alone_states_no_orientation(files: Path) -> None:
    placed, drawn = (nibabel.load(files / f"{name}-000001.nii.gz") for name in ("real", "synthetic"))
    assert np.allclose(placed.affine, AFFINE)
    assert np.allclose(placed.header.get_zooms(), (0.7, 0.5, 2.0))
    assert int(placed.header["sform_code"]) == 1
    assert (int(drawn.header["sform_code"]), int(drawn.header["qform_code"])) == (0, 0)
    assert np.allclose(drawn.header.get_zooms(), (3, 3, 1))
    assert drawn.header.get_xyzt_units()[0] == "mm"


def test_masks_stand_beside_their_images_in_the_same_place(files: Path) -> None:
    masks = sorted(files.glob("*_mask.nii.gz"))
    assert len(masks) == 4
    for path in masks:
        mask = nibabel.load(path)
        image = nibabel.load(files / path.name.replace("_lesion_mask", ""))
        assert (mask.shape, mask.affine.tolist()) == (image.shape, image.affine.tolist())
        assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1}
        assert np.asarray(mask.dataobj).sum() == 35


def test_header_and_sidecar_say_that_it_is_synthetic(files: Path) -> None:
    assert bytes(nibabel.load(files / "synthetic-000001.nii.gz").header["descrip"]).startswith(b"SYNTHETIC, no patient")
    assert bytes(nibabel.load(files / "real-000001.nii.gz").header["descrip"]).startswith(b"real, deidentified")
    sidecar = json.loads((files / "synthetic-000001.json").read_text())
    assert sidecar["SyntheticData"] is True
    assert sidecar["SpacingKnown"] is True
    assert sidecar["PlacedInScanner"] is False
    assert "not presumed anonymous" in sidecar["Provenance"]["Notice"]
