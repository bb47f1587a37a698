"""Read spacing, affine, rescale and window of a DICOM frame, also from functional groups.

An optional attribute that cannot be used (a window, the spacing, the place in the patient) counts as absent, with a
note. One that says what stored values mean (rescale) is refused by name.
"""

import math
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from curation.errors import BadInput
from curation.ingest.formats.dicom_attributes import read_number, read_numbers, show_value
from curation.ingest.formats.value_remarks import NO_WINDOW

Affine = tuple[tuple[float, ...], ...]
Notes = tuple[str, ...]

NO_VOI_LUT = "VOILUTSequence could not be used and counts as absent"
NO_SPACING = "the spacing is unknown, and so is the place in the patient"
NO_PLACE = "ImagePositionPatient and ImageOrientationPatient could not be used: the place in the patient is unknown"
_CM = 3  # PS3.3, C.8.5.5.1.15
_COSINES = 0.01  # by how much the two axes of a picture may be off unit length and a right angle


def find_macro(dataset: Dataset, frame: int, sequence: str) -> Dataset:
    """Find the item of a functional group macro: of the frame, shared, or the data set itself (PS3.3, C.7.6.16)."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    groups = [*([per_frame[frame]] if per_frame and frame < len(per_frame) else []), *([shared[0]] if shared else [])]
    for group in groups:
        items = group.get(sequence)
        if items:
            item: Dataset = items[0]
            return item
    return dataset


def read_spacing_mm(dataset: Dataset, frame: int) -> tuple[tuple[float, float] | None, Notes]:
    """Read row and column spacing: in the patient, at the detector (PS3.3, 10.7.1.3), or of an ultrasound region.

    Where the first that is there cannot be used, no other is taken instead: they mean other lengths.
    """
    try:
        return _spacing_mm(dataset, frame), ()
    except BadInput as error:
        return None, (f"{error}; {NO_SPACING}",)


def _spacing_mm(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    measures = find_macro(dataset, frame, "PixelMeasuresSequence")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        for place in (measures, dataset):
            values = read_numbers(place, keyword)
            if len(values) == 2:
                return _positive(keyword, values[0]), _positive(keyword, values[1])
            if values:
                raise BadInput(
                    f"{keyword}: expected two numbers, of rows and columns, got {show_value(place, keyword)}"
                )
    regions = dataset.get("SequenceOfUltrasoundRegions") or []
    region = regions[0] if len(regions) == 1 else None
    if region is not None and region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CM:
        row, column = (abs(read_number(region, name, 0)) for name in ("PhysicalDeltaY", "PhysicalDeltaX"))
        return 10 * _positive("PhysicalDeltaY", row), 10 * _positive("PhysicalDeltaX", column)
    return None


def read_affine(dataset: Dataset, frame: int, spacing: tuple[float, float] | None) -> tuple[Affine | None, Notes]:
    """Read the affine from (row, column, 0, 1) to millimetres, right, anterior and superior positive; None if absent.

    DICOM's own axes point left and posterior (PS3.3, C.7.6.2.1.1), so the first two are turned.
    """
    try:
        orientation = read_numbers(find_macro(dataset, frame, "PlaneOrientationSequence"), "ImageOrientationPatient")
        position = read_numbers(find_macro(dataset, frame, "PlanePositionSequence"), "ImagePositionPatient")
    except BadInput:
        return None, (NO_PLACE,)
    if not orientation or not position or spacing is None:
        return None, ()
    if len(position) != 3 or not np.isfinite(position).all() or not _are_axes(orientation):
        return None, (NO_PLACE,)
    along_columns, along_rows = np.array(orientation[:3]), np.array(orientation[3:])
    matrix = np.eye(4)
    matrix[:3, 0] = along_rows * spacing[0]
    matrix[:3, 1] = along_columns * spacing[1]
    matrix[:3, 2] = np.cross(along_columns, along_rows)
    matrix[:3, 3] = np.array(position)
    matrix[:2] *= -1
    return tuple(tuple(float(value) for value in row) for row in matrix), ()


def _are_axes(orientation: tuple[float, ...]) -> bool:
    """Whether these are two unit vectors at a right angle (PS3.3, C.7.6.2.1.1)."""
    if len(orientation) != 6:
        return False
    axes = np.reshape(orientation, (2, 3))
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((np.abs(axes @ axes.T - np.eye(2)) < _COSINES).all())


def read_rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    """Read slope and intercept (PS3.3, C.11.1.1.2); 1 and 0 if absent."""
    item = find_macro(dataset, frame, "PixelValueTransformationSequence")
    slope, intercept = read_number(item, "RescaleSlope", 1), read_number(item, "RescaleIntercept", 0)
    if not math.isfinite(slope) or slope == 0:
        raise BadInput(f"RescaleSlope: expected a finite number other than 0, got {slope:g}")
    if not math.isfinite(intercept):
        raise BadInput(f"RescaleIntercept: expected a finite number, got {intercept:g}")
    return slope, intercept


def has_rescale(dataset: Dataset, frame: int) -> bool:
    """Whether both slope and intercept are there and not empty."""
    item = find_macro(dataset, frame, "PixelValueTransformationSequence")
    return all(read_numbers(item, keyword) for keyword in ("RescaleSlope", "RescaleIntercept"))


def read_window(dataset: Dataset, frame: int) -> tuple[tuple[float, float] | None, Notes]:
    """Read centre and width of the first window (PS3.3, C.11.2.1.2), else where the VOI LUT rises from 2 to 98 %."""
    item = find_macro(dataset, frame, "FrameVOILUTSequence")
    notes: Notes = ()
    try:
        centers, widths = read_numbers(item, "WindowCenter"), read_numbers(item, "WindowWidth")
    except BadInput:
        notes = (NO_WINDOW,)
    else:
        if centers and widths and math.isfinite(centers[0]) and math.isfinite(widths[0]) and widths[0] > 0:
            return (centers[0], widths[0]), ()
        notes = (NO_WINDOW,) if centers or widths else ()
    try:
        sequence = item.get("VOILUTSequence")
        return (_window_of_lut(sequence[0], _is_little_endian(dataset)) if sequence else None), notes
    except Exception:  # a damaged table fails with nearly every type there is
        return None, (*notes, NO_VOI_LUT)


def _window_of_lut(item: Dataset, is_little_endian: bool) -> tuple[float, float]:
    data: Any = item.LUTData
    words = np.frombuffer(data, "<u2" if is_little_endian else ">u2") if isinstance(data, bytes) else data
    entries = np.asarray(words, float)
    if entries.size < 2 or entries.max() <= entries.min():
        raise BadInput("VOILUTSequence: expected a table that rises")
    first = int(item.LUTDescriptor[1])
    share = (entries - entries.min()) / (entries.max() - entries.min())
    inside = np.flatnonzero((share > 0.02) & (share < 0.98))
    low, high = (int(inside[0]), int(inside[-1])) if inside.size else (0, entries.size - 1)
    return first + (low + high) / 2, max(1.0, float(high - low))


def _is_little_endian(dataset: Dataset) -> bool:
    return dataset.original_encoding[1] is not False


def _positive(keyword: str, number: float) -> float:
    if not (math.isfinite(number) and 0 < number < 10_000):
        raise BadInput(f"{keyword}: expected millimetres above 0, got {number:g}")
    return number
