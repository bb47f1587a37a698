"""Read a NIfTI volume as slices of one plane in radiological orientation, with 16 bit and sign kept.

Flips and swaps bring a volume to its nearest right-anterior-superior axes; it is never resampled. Axial and
coronal slices show the patient's right at the left of the picture, sagittal ones show anterior at the left. A volume
that states no orientation has slices along its third axis and no place in the patient.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import nibabel.orientations
import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.formats.nifti_place import is_flat, load_volume, orientation, unusable_place
from curation.ingest.formats.nifti_values import check_values, choose_volume, count_volumes, is_rgb, read_raw_values
from curation.ingest.formats.picture_files import check_size
from curation.ingest.formats.value_scale import SIGNED_OFFSET, store_whole_numbers, turn_values
from curation.ingest.incoming import FileEntry, Geometry, IncomingImage, Rejected, Unreadable, find_labels
from curation.ingest.request import ImportRequest, Plane
from curation.tables.images import Shape

SUFFIXES = (".nii", ".nii.gz")
_MAX_OFFSET = 64 << 20  # header extensions before the values; more is absurd
_MM = {1: 1_000.0, 2: 1.0, 3: 0.001}  # NIfTI-1 xyzt_units: metre, millimetre, micrometre
_THROUGH = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis that runs through the slices, of R, A, S
_ROWS_COLUMNS = {"sagittal": (2, 1), "coronal": (2, 0), "axial": (1, 0)}
_orientations: Any = nibabel.orientations  # without type hints of its own
QUANTISED = "values of the volume were brought to 65,536 steps"
NO_UNIT = "xyzt_units names no unit of length: spacing and affine are taken as millimetres"
NO_ORIENTATION = "sform_code and qform_code are 0: the orientation is unknown; slices follow the third axis as stored"
NO_PLACE = "{} cannot be used: the place in the patient is unknown; slices follow the third axis as stored"
TURNED_SLOPE = "a negative scl_slope was turned, so that higher is brighter; the values stand for the same"


def is_nifti(name: str) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return name.lower().endswith(SUFFIXES)


@dataclass(frozen=True, slots=True)
class _Volume:
    """Unsigned values in R, A, S order, and what they mean."""

    values: NDArray[Any]  # (x, y, z) uint8 or uint16, or (x, y, z, 3) uint8
    affine: NDArray[np.float64]
    is_oriented: bool
    unit_mm: float
    slope: float
    intercept: float
    signed_offset: int
    notes: tuple[str, ...]


def probe_nifti(path: Path, request: ImportRequest) -> Shape:
    """Read from the header which shape the slices of the chosen plane have; raises BadInput."""
    image = _open(path)
    _check_plane(image, request.plane)
    order = orientation(image.affine)[:, 0].astype(int)
    size = [0, 0, 0]
    for axis, target in enumerate(order):
        size[target] = int(image.shape[axis])
    rows, columns = _ROWS_COLUMNS[request.plane]
    if is_rgb(image):
        return size[rows], size[columns], 3, 8
    return size[rows], size[columns], 1, 8 if image.get_data_dtype().itemsize == 1 else 16


def read_nifti(
    path: Path, entry: FileEntry, request: ImportRequest, masks: dict[str, Path]
) -> Iterator[IncomingImage | Rejected]:
    """Yield the chosen slices and one refusal for all blank ones; a volume or mask that fails is one refusal."""
    try:
        image = _open(path)
        _check_plane(image, request.plane)
        number = choose_volume(image, request.volume)
        volume = _volume(image, number, request.quantise)
        mask_values = {name: _mask(mask, image, number) for name, mask in masks.items()}
        name = f"{entry.file}#{number}." if count_volumes(image) > 1 else f"{entry.file}#"
        yield from _slices(volume, mask_values, entry, request, name)
    except BadInput as error:
        yield Rejected.because(entry.file, error)
    except Exception as error:  # a damaged volume fails with nearly every type there is
        yield Rejected.because(entry.file, Unreadable(error))


def _slices(
    volume: _Volume, masks: dict[str, NDArray[np.uint8]], entry: FileEntry, request: ImportRequest, name: str
) -> Iterator[IncomingImage | Rejected]:
    through = _THROUGH[request.plane]
    positions = range(volume.values.shape[through])[slice(*request.slices)]
    if not positions:
        raise BadInput(f"none of its {volume.values.shape[through]} {request.plane} slices is in the range asked for")
    blank = 0
    for position in positions:
        turned = np.ascontiguousarray(_turn(volume.values, request.plane, position))
        pixels: Pixels = turned if turned.ndim == 3 else turned[:, :, None]
        if pixels.min() == pixels.max():
            blank += 1
            continue
        shown = {name: np.ascontiguousarray(_turn(mask, request.plane, position)) for name, mask in masks.items()}
        yield IncomingImage(
            f"{name}{position}",
            pixels,
            find_labels(entry, request, shown),
            entry.subject,
            entry.split,
            _geometry(volume, request.plane, position),
            masks={name: mask for name, mask in shown.items() if mask.any()},
            covariates=entry.covariates,
            group=entry.file,
            notes=volume.notes,
            caption=entry.caption,
        )
    if blank:
        yield Rejected(entry.file, f"{blank} of {len(positions)} slices are blank: one value everywhere")


def _open(path: Path) -> Any:
    """Open a volume without its values and check its header; raises BadInput."""
    if path.stat().st_size == 0:
        raise BadInput("the file is empty")
    try:
        image = load_volume(path)
    except nibabel.spatialimages.HeaderDataError as error:  # in nibabel's words, of fields of numbers
        words = str(error).replace("Valid slope but invalid intercept", "scl_inter: expected a finite number, got")
        raise BadInput(f"its NIfTI header cannot be used: {words}") from error
    except Exception as error:  # a damaged header fails with nearly every type there is
        raise Unreadable(error, "not a NIfTI file that can be read") from error
    if not isinstance(image, nibabel.Nifti1Image | nibabel.Nifti2Image):
        raise BadInput(f"{type(image).__name__}: expected a NIfTI volume")
    _check(image)
    return image


def _check(image: Any) -> None:
    check_values(image)
    check_size(int(image.shape[0]), int(image.shape[1]))
    if not 0 <= float(image.header["vox_offset"]) <= _MAX_OFFSET:
        raise BadInput("the offset of its values is larger than any header")
    zooms = np.array(image.header.get_zooms()[:3], float)
    if not (np.isfinite(zooms).all() and (zooms > 0).all() and np.isfinite(image.affine).all()):
        shown = ", ".join(f"{zoom:g}" for zoom in zooms)
        raise BadInput(f"pixdim: expected a spacing in finite numbers above 0, got {shown}")
    if is_flat(image.affine):
        raise BadInput("its affine maps all slices to one place")


def _states_orientation(image: Any) -> bool:
    """Whether the header says how the axes lie in the patient (NIfTI-1, "3D image orientation", methods 2 and 3)."""
    return int(image.header["sform_code"]) > 0 or int(image.header["qform_code"]) > 0


def _check_plane(image: Any, plane: Plane) -> None:
    if plane != "axial" and not _states_orientation(image):
        field = unusable_place(image)
        why = f"{field} cannot be used" if field else "sform_code and qform_code are 0"
        raise BadInput(
            f"{why}, so nothing says where its {plane} slices are. Give it an sform or a qform, or import it without "
            "--plane"
        )


def _volume(image: Any, number: int, quantise: bool) -> _Volume:
    raw = read_raw_values(image, number)
    slope, intercept = (float(value) for value in (image.dataobj.slope, image.dataobj.inter))
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise BadInput(
            f"expected a finite scl_slope other than 0 and a finite scl_inter, got {slope:g} and {intercept:g}"
        )
    values, slope, intercept, signed_offset, notes = _to_stored(raw, slope, intercept, quantise)
    to_ras = orientation(image.affine)
    affine = image.affine @ _orientations.inv_ornt_aff(to_ras, values.shape[:3])
    unit, is_oriented = _MM.get(int(image.header["xyzt_units"]) & 7), _states_orientation(image)
    field = unusable_place(image)
    no_place = NO_PLACE.format(field) if field else NO_ORIENTATION
    notes += (() if unit else (NO_UNIT,)) + (() if is_oriented else (no_place,))
    values = _orientations.apply_orientation(values, to_ras)
    return _Volume(values, affine, is_oriented, unit or 1.0, slope, intercept, signed_offset, notes)


def _to_stored(
    raw: NDArray[Any], slope: float, intercept: float, quantise: bool
) -> tuple[NDArray[Any], float, float, int, tuple[str, ...]]:
    """Bring values to unsigned ones, higher for a higher value: they, slope, intercept, signed offset and notes."""
    is_whole = _is_whole(raw)
    whole = store_whole_numbers(raw, slope, intercept) if is_whole and raw.dtype.itemsize > 1 else None
    if whole is not None:
        return whole, 1.0, 0.0, SIGNED_OFFSET, ()
    notes: tuple[str, ...] = ()
    stored = _exact(raw) if is_whole else None
    if stored is None:
        if not quantise:
            raise BadInput(
                "floating-point values, or integers of more than 16 bit. With --quantise they are kept in 65,536 steps"
            )
        low, high = float(raw.min()), float(raw.max())
        step = (high - low) / 65_535 or 1.0
        stored = np.rint((raw.astype(np.float64) - low) / step).astype(np.uint16), 0
        slope, intercept, notes = slope * step, slope * low + intercept, (QUANTISED,)
    values, signed_offset = stored
    if slope < 0:
        ends = int(np.iinfo(values.dtype).max)
        values, slope, intercept = turn_values(values, ends, slope, intercept, signed_offset)
        notes += (TURNED_SLOPE,)
    return values, slope, intercept, signed_offset, notes


def _is_whole(raw: NDArray[Any]) -> bool:
    """Whether all values are whole numbers; raises BadInput for NaN."""
    if raw.dtype.kind != "f":
        return True
    if not np.isfinite(raw).all():
        raise BadInput("holds values that are not finite numbers")
    return not (raw != np.rint(raw)).any()


def _exact(raw: NDArray[Any]) -> tuple[NDArray[Any], int] | None:
    """Make whole numbers unsigned and return the added offset; None when 16 bit cannot hold them."""
    low, high = raw.min(), raw.max()
    if raw.dtype == np.uint8:
        return raw, 0
    if raw.dtype == np.int8:
        return (raw.astype(np.int16) + 0x80).astype(np.uint8), 0x80
    if low >= -SIGNED_OFFSET and high < SIGNED_OFFSET:
        return (raw.astype(np.int32) + SIGNED_OFFSET).astype(np.uint16), SIGNED_OFFSET
    return (raw.astype(np.uint16), 0) if low >= 0 and high <= 0xFFFF else None


def _mask(path: Path, image: Any, number: int) -> NDArray[np.uint8]:
    """Read a segmentation on the grid of the volume, in R, A, S order: 1 where it is not 0."""
    mask = _open(path)
    if mask.shape[:3] != image.shape[:3] or not np.allclose(mask.affine, image.affine, atol=1e-3):
        raise BadInput("its mask lies on another grid: shape or affine differ")
    if is_rgb(mask):
        raise BadInput("its mask is of RGB: expected numbers")
    values = read_raw_values(mask, choose_volume(mask, number if count_volumes(mask) > 1 else None))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("its mask holds values that are not finite numbers")
    oriented: NDArray[np.uint8] = _orientations.apply_orientation(
        (values != 0).astype(np.uint8), orientation(mask.affine)
    )
    return oriented


def _turn(values: NDArray[Any], plane: Plane, position: int) -> NDArray[Any]:
    """Take one slice as a picture: superior or anterior above; the patient's right, or anterior, at the left."""
    cut = np.take(values, position, axis=_THROUGH[plane])
    turned: NDArray[Any] = cut.swapaxes(0, 1)[::-1, ::-1]
    return turned


def _geometry(volume: _Volume, plane: Plane, position: int) -> Geometry:
    rows, columns = _ROWS_COLUMNS[plane]
    extent = volume.values.shape
    to_voxel = np.zeros((4, 4))
    to_voxel[rows, 0], to_voxel[rows, 3] = -1, extent[rows] - 1
    to_voxel[columns, 1], to_voxel[columns, 3] = -1, extent[columns] - 1
    to_voxel[_THROUGH[plane], 2], to_voxel[_THROUGH[plane], 3] = 1, position
    to_voxel[3, 3] = 1
    unit = np.diag([volume.unit_mm, volume.unit_mm, volume.unit_mm, 1.0])
    affine = unit @ volume.affine @ to_voxel
    spacing = np.linalg.norm(affine[:3, :2], axis=0)
    return Geometry(
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        rescale_slope=volume.slope,
        rescale_intercept=volume.intercept,
        signed_offset=volume.signed_offset,
        frame=position,
        affine=tuple(tuple(float(value) for value in row) for row in affine) if volume.is_oriented else None,
    )
