"""The stored values of one volume of a NIfTI file: unscaled, gray or RGB, of a series only the volume asked for."""

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
    """Whether each value is red, green and blue of 8 bit."""
    names: tuple[str, ...] | None = image.get_data_dtype().names
    return names == _RGB


def volume_count(image: Any) -> int:
    """How many volumes the file holds."""
    return math.prod(int(extent) for extent in image.shape[3:])


def check_values(image: Any) -> None:
    """Raise BadInput for values that cannot be kept, and for more of them than are read."""
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
    for found, most in ((size, MAX_BYTES), (size * volume_count(image), MAX_SERIES_BYTES)):
        if found > most:
            raise BadInput(f"{shape} is more than {most >> 30} GiB: refused as a decompression bomb")


def which_volume(image: Any, wanted: int | None) -> int:
    """The volume to read; raises BadInput where the file has several and none is named, or not the one named."""
    count = volume_count(image)
    if wanted is None and count > 1:
        raise BadInput(f"holds {count} volumes: say which one is wanted with --volume N, from 0 to {count - 1}")
    if wanted is not None and wanted >= count:
        raise BadInput(f"holds {count} volume{'s' if count > 1 else ''}, and --volume {wanted} counts from 0")
    return wanted or 0


def raw_values(image: Any, volume: int) -> NDArray[Any]:
    """(x, y, z), or (x, y, z, 3) of RGB, as stored; no other volume is kept in memory."""
    if volume_count(image) == 1:
        raw = np.asarray(image.dataobj.get_unscaled()).reshape(image.shape[:3])
    else:
        data = image.dataobj
        shape = (*image.shape[:3], volume_count(image))
        with nibabel.openers.ImageOpener(image.get_filename()) as file:
            raw = _fileslice(file, (..., volume), shape, data.dtype, data.offset, order=data.order)
    return np.stack([raw[name] for name in _RGB], axis=-1) if is_rgb(image) else raw
