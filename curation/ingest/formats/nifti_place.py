"""Load a NIfTI volume, without its place in the patient where the header states one that is no use."""

from pathlib import Path
from typing import Any

import nibabel
import nibabel.arrayproxy
import nibabel.openers
import nibabel.orientations
import numpy as np
from numpy.typing import NDArray

_PLACE = "place"  # the key among the extras of an image under which the field stands that cannot be used
_SROWS = ("srow_x", "srow_y", "srow_z")
_QUATERNION = ("quatern_b", "quatern_c", "quatern_d")
_OFFSETS = ("qoffset_x", "qoffset_y", "qoffset_z")
_NIFTI_2 = (540, 0x1C020000)  # the size of its header, in either byte order
_MOST_LENGTH = 1 + 1e-6  # of a quaternion, beyond which nibabel refuses it
_orientations: Any = nibabel.orientations  # without type hints of its own
_ImageOpener: Any = nibabel.openers.ImageOpener
_ArrayProxy: Any = nibabel.arrayproxy.ArrayProxy


def load_volume(path: Path) -> Any:
    """Load an image without its values; where its place cannot be used, as if it stated none."""
    image: Any
    try:
        image = nibabel.load(path)
    except ValueError:  # nibabel raises it for a quaternion longer than 1
        header = _read_header(path)[1]
        if _find_fault(header) is None:
            raise
    else:
        if not isinstance(image, nibabel.Nifti1Image):
            return image
        header = image.header
    fault = _find_fault(header)
    if fault is None:
        return image
    kind, header = _read_header(path)  # that of an image has lost the offset of its values
    header["sform_code"] = header["qform_code"] = 0
    files = kind.filespec_to_file_map(str(path))
    proxy, affine = _ArrayProxy(str(path), header.copy()), header.get_best_affine()
    return kind(proxy, affine, header, extra={_PLACE: fault}, file_map=files)


def unusable_place(image: Any) -> str | None:
    """The field of the header for which the place of a loaded image was dropped."""
    field: str | None = image.extra.get(_PLACE)
    return field


def orientation(affine: NDArray[np.float64]) -> NDArray[Any]:
    """The axis of the patient that each axis of the values follows, and its sign; NaN for axes that fall together."""
    axes: NDArray[Any] = _orientations.io_orientation(affine)
    return axes


def is_flat(affine: NDArray[np.float64]) -> bool:
    """Whether an affine maps all slices to one place."""
    return not abs(np.linalg.det(affine[:3, :3])) > 1e-12 or not bool(np.isfinite(orientation(affine)).all())


def _read_header(path: Path) -> tuple[Any, Any]:
    """Read the header alone, and tell by its size which of the two kinds of file it is."""
    with _ImageOpener(str(path)) as file:
        size = int.from_bytes(file.read(4), "little")
    kind: Any = nibabel.Nifti2Image if size in _NIFTI_2 else nibabel.Nifti1Image
    with _ImageOpener(str(path)) as file:
        return kind, kind.header_class.from_fileobj(file)


def _find_fault(header: Any) -> str | None:
    """Name the fields that cannot be used: of the sform where it has a code, else of the qform."""
    if int(header["sform_code"]) > 0:
        affine = np.eye(4)
        affine[:3] = [header[name] for name in _SROWS]
        unknown = _not_finite(header, _SROWS)
        return unknown or (", ".join(_SROWS) if is_flat(affine) else None)
    if int(header["qform_code"]) > 0:
        length = np.linalg.norm([float(header[name]) for name in _QUATERNION])
        unknown = _not_finite(header, (*_QUATERNION, *_OFFSETS))
        return unknown or (", ".join(_QUATERNION) if length > _MOST_LENGTH else None)
    return None


def _not_finite(header: Any, fields: tuple[str, ...]) -> str | None:
    return ", ".join(name for name in fields if not np.isfinite(header[name]).all()) or None
