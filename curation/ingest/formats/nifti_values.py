"""Read the unscaled values of one volume of a NIfTI file, gray or RGB."""

import math
from typing import Any

import nibabel
import nibabel.fileslice
import nibabel.openers
import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput

MAX_BYTES = 4 << 30
MAX_SERIES_BYTES = 16 << 30  # of which one volume is read; what is packed before it is unpacked and dropped
_fileslice: Any = nibabel.fileslice.fileslice  # without type hints of its own
_RGB = ("R", "G", "B")  # NIfTI-1 datatype 128


def is_rgb(image: Any) -> bool:
    """Whether each value is 8 bit red, green and blue."""
    names: tuple[str, ...] | None = image.get_data_dtype().names
    return names == _RGB


def count_volumes(image: Any) -> int:
    """The number of volumes in the file."""
    return math.prod(int(extent) for extent in image.shape[3:])


def check_values(image: Any) -> None:
    """Raise BadInput for values of a type or shape that cannot be kept, and for too many values."""
    shape = "x".join(map(str, image.shape))
    if len(image.shape) < 3 or sum(extent != 1 for extent in image.shape[3:]) > 1:
        raise BadInput(f"{len(image.shape)} dimensions ({shape}): expected one volume of three, or a series of volumes")
    if min(image.shape) < 1:
        raise BadInput(f"{shape}: a volume without values")
    dtype = image.get_data_dtype()
    if not is_rgb(image) and (dtype.kind not in "iuf" or dtype.itemsize > 8):
        kind = "RGBA" if dtype.names else dtype
        raise BadInput(f"values of type {kind}: expected integers, floating-point numbers or RGB")
    size = math.prod(int(extent) for extent in image.shape[:3]) * dtype.itemsize
    for size_bytes, most in ((size, MAX_BYTES), (size * count_volumes(image), MAX_SERIES_BYTES)):
        if size_bytes > most:
            raise BadInput(f"{shape} is more than {most >> 30} GiB: refused as a decompression bomb")


def choose_volume(image: Any, wanted: int | None) -> int:
    """Choose the volume to read; raises BadInput when a file has several and none is named, or not that one."""
    count = count_volumes(image)
    if wanted is None and count > 1:
        raise BadInput(f"holds {count} volumes. Choose one with --volume N, from 0 to {count - 1}")
    if wanted is not None and wanted >= count:
        raise BadInput(f"holds {count} volume{'s' if count > 1 else ''}, and --volume {wanted} counts from 0")
    return wanted or 0


def read_raw_values(image: Any, volume: int) -> NDArray[Any]:
    """Read the stored values (x, y, z), or (x, y, z, 3) for RGB; no other volume is kept in memory."""
    if count_volumes(image) == 1:
        raw = np.asarray(image.dataobj.get_unscaled()).reshape(image.shape[:3])
    else:
        data = image.dataobj
        shape = (*image.shape[:3], count_volumes(image))
        with nibabel.openers.ImageOpener(image.get_filename()) as file:
            raw = _fileslice(file, (..., volume), shape, data.dtype, data.offset, order=data.order)
    return np.stack([raw[name] for name in _RGB], axis=-1) if is_rgb(image) else raw
