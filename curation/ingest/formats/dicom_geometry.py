"""Read spacing, affine, rescale and window of a DICOM frame, also from functional groups."""

import math
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from curation.errors import BadInput

Affine = tuple[tuple[float, ...], ...]

_CM = 3  # PS3.3, C.8.5.5.1.15


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


def read_spacing_mm(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    """Read row and column spacing: in the patient, at the detector (PS3.3, 10.7.1.3), or of an ultrasound region."""
    measures = find_macro(dataset, frame, "PixelMeasuresSequence")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = measures.get(keyword) or dataset.get(keyword)
        if value:
            if len(value) != 2:
                raise BadInput(f"expected two values of {keyword}, got {len(value)}")
            return _positive(keyword, value[0]), _positive(keyword, value[1])
    regions = dataset.get("SequenceOfUltrasoundRegions") or []
    region = regions[0] if len(regions) == 1 else None
    if region is not None and region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CM:
        row, column = (abs(region.get(name) or 0) for name in ("PhysicalDeltaY", "PhysicalDeltaX"))
        return 10 * _positive("PhysicalDeltaY", row), 10 * _positive("PhysicalDeltaX", column)
    return None


def read_affine(dataset: Dataset, frame: int) -> Affine | None:
    """The affine from (row, column, 0, 1) to millimetres, right, anterior and superior positive; None if absent.

    DICOM's own axes point left and posterior (PS3.3, C.7.6.2.1.1), so the first two are turned.
    """
    orientation = find_macro(dataset, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
    position = find_macro(dataset, frame, "PlanePositionSequence").get("ImagePositionPatient")
    spacing = read_spacing_mm(dataset, frame)
    if not orientation or not position or spacing is None or len(orientation) != 6 or len(position) != 3:
        return None
    along_columns, along_rows = np.array(orientation[:3], float), np.array(orientation[3:], float)
    matrix = np.eye(4)
    matrix[:3, 0] = along_rows * spacing[0]
    matrix[:3, 1] = along_columns * spacing[1]
    matrix[:3, 2] = np.cross(along_columns, along_rows)
    matrix[:3, 3] = np.array(position, float)
    matrix[:2] *= -1
    if not np.isfinite(matrix).all():
        raise BadInput("the position of the picture in the patient is not in finite numbers")
    return tuple(tuple(float(value) for value in row) for row in matrix)


def read_rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    """Read slope and intercept (PS3.3, C.11.1.1.2); 1 and 0 if absent."""
    item = find_macro(dataset, frame, "PixelValueTransformationSequence")
    slope, intercept = item.get("RescaleSlope"), item.get("RescaleIntercept")
    slope_value, intercept_value = 1.0 if slope is None else float(slope), float(intercept or 0)
    if not (math.isfinite(slope_value) and math.isfinite(intercept_value)) or slope_value == 0:
        raise BadInput(
            f"expected a finite rescale slope other than 0 and a finite intercept, got {slope} and {intercept}"
        )
    return slope_value, intercept_value


def read_window(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    """Read centre and width of the first window (PS3.3, C.11.2.1.2), else where the VOI LUT rises from 2 to 98 %."""
    item = find_macro(dataset, frame, "FrameVOILUTSequence")
    center, width = _first(item.get("WindowCenter")), _first(item.get("WindowWidth"))
    if center is not None and width is not None and math.isfinite(center) and math.isfinite(width) and width > 0:
        return center, width
    sequence = item.get("VOILUTSequence")
    return _window_of_lut(sequence[0]) if sequence else None


def _window_of_lut(item: Dataset) -> tuple[float, float] | None:
    data = item.LUTData
    entries = np.asarray(np.frombuffer(data, "<u2") if isinstance(data, bytes) else data, float)
    if entries.size < 2 or entries.max() <= entries.min():
        return None
    first = int(item.LUTDescriptor[1])
    share = (entries - entries.min()) / (entries.max() - entries.min())
    inside = np.flatnonzero((share > 0.02) & (share < 0.98))
    low, high = (int(inside[0]), int(inside[-1])) if inside.size else (0, entries.size - 1)
    return first + (low + high) / 2, max(1.0, float(high - low))


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    first = value if isinstance(value, int | float | str) else value[0] if len(value) else None
    return None if first is None else float(first)


def _positive(keyword: str, value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and 0 < number < 10_000):
        raise BadInput(f"a {keyword} of {number:g}: expected millimetres above 0")
    return number
