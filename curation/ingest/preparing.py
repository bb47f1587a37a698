"""Resize pictures, bring 16 bit gray to 8 bit through a window, and turn gray saved as RGB into gray.

Geometry and masks are changed with them. A picture keeps its proportions: it is scaled to fit and padded with its
lowest value. Scaling down averages over the area of each new pixel (a box filter), scaling up is bilinear; masks take
the nearest value.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.formats.value_remarks import NO_WINDOW
from curation.ingest.incoming import Geometry, IncomingImage
from curation.ingest.request import ImportRequest, Window
from curation.tables.images import Shape

GRAY_SPREAD = 8  # steps of 255 between a pixel's channels; the most that JPEG made of gray with noise of two steps
_LUMA = np.array([[0.299], [0.587], [0.114]])  # ITU-R BT.601, as JPEG computes it
GRAY_EXACT = "RGB with equal channels became gray"
GRAY_NEARLY = f"RGB whose channels differ by at most {GRAY_SPREAD} of 255 became gray, by luma"
NOT_WINDOWED = "they have 8 bit already, and --window left their values as they are"


def prepare(image: IncomingImage, request: ImportRequest) -> IncomingImage:
    """Bring a picture to what the request asks for; raises BadInput when it has no window, or has colour."""
    if request.gray and image.pixels.shape[2] == 3:
        image = _turn_gray(image)
    if request.window is not None:
        takes_it = _takes_window(image, request.window)
        image = _through_window(image, request.window) if takes_it else _with_note(image, NOT_WINDOWED)
    if request.size is not None and image.pixels.shape[:2] != request.size:
        image = _resize(image, *request.size)
    return image


def check_not_blank(pixels: Pixels) -> tuple[int, int]:
    """Return the least and the greatest value of a picture; raises BadInput where they are equal."""
    low, high = int(pixels.min()), int(pixels.max())
    if low == high:
        raise BadInput("blank: one value everywhere")
    return low, high


def prepared_shape(shape: Shape, request: ImportRequest) -> Shape:
    """The shape that `prepare` will give a picture of this shape."""
    height, width, channels, bits = shape
    height, width = request.size or (height, width)
    return height, width, 1 if request.gray else channels, 8 if request.window is not None else bits


def _with_note(image: IncomingImage, note: str) -> IncomingImage:
    return replace(image, notes=(*image.notes, note))


def _turn_gray(image: IncomingImage) -> IncomingImage:
    """Turn an RGB picture without colour into gray; raises BadInput for one with colour."""
    red, green, blue = (image.pixels[:, :, channel] for channel in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    most = int(spread.max())
    if most > GRAY_SPREAD:
        raise BadInput(f"coloured: a pixel's channels differ by {most} of 255, and gray has at most {GRAY_SPREAD}")
    gray: Any = np.rint(image.pixels @ _LUMA) if most else image.pixels[:, :, :1]
    return replace(
        image,
        pixels=np.ascontiguousarray(gray, np.uint8),
        png=None,
        notes=(*image.notes, GRAY_NEARLY if most else GRAY_EXACT),
    )


def _takes_window(image: IncomingImage, wanted: Window) -> bool:
    """Whether it is 16 bit gray, or 8 bit gray that a slope, intercept or sign stands beside and a window is named."""
    geometry = image.geometry
    is_plain = (geometry.rescale_slope, geometry.rescale_intercept, geometry.signed_offset) == (1, 0, 0)
    return image.pixels.dtype == np.uint16 or (image.pixels.shape[2] == 1 and wanted != "file" and not is_plain)


def _through_window(image: IncomingImage, wanted: Window) -> IncomingImage:
    """PS3.3, C.11.2.1.3.2 (LINEAR_EXACT): the window's width over 256 steps."""
    geometry = image.geometry
    window = geometry.window if wanted == "file" else wanted
    if window is None:
        unread = NO_WINDOW in image.notes
        why = "its WindowCenter and WindowWidth cannot be read" if unread else "the file has no window of its own"
        raise BadInput(f"{why}. Give one as CENTRE:WIDTH")
    center, width = window
    low = center - width / 2
    values = image.pixels.astype(np.float32) - geometry.signed_offset
    values = values * geometry.rescale_slope + geometry.rescale_intercept
    pixels = np.rint(np.clip((values - low) / width, 0, 1) * 255).astype(np.uint8)
    geometry = replace(geometry, rescale_slope=width / 255, rescale_intercept=low, signed_offset=0, window=window)
    return replace(image, pixels=pixels, geometry=geometry, png=None)


def _resize(image: IncomingImage, height: int, width: int) -> IncomingImage:
    old_height, old_width = image.pixels.shape[:2]
    share = min(height / old_height, width / old_width)
    inner = max(1, round(old_height * share)), max(1, round(old_width * share))
    at = (height - inner[0]) // 2, (width - inner[1]) // 2
    pixels = _pad(_scaled(image.pixels, *inner), height, width, at)
    masks = {
        name: _pad(_nearest(mask, *inner)[:, :, None], height, width, at)[:, :, 0] for name, mask in image.masks.items()
    }
    scale = old_height / inner[0], old_width / inner[1]
    return replace(image, pixels=pixels, masks=masks, geometry=_move_geometry(image.geometry, scale, at), png=None)


def _scaled(pixels: Pixels, height: int, width: int) -> Pixels:
    down = height * width < pixels.shape[0] * pixels.shape[1]
    how = PillowImage.Resampling.BOX if down else PillowImage.Resampling.BILINEAR
    planes = [
        np.asarray(PillowImage.fromarray(pixels[:, :, channel].astype(np.float32)).resize((width, height), how))
        for channel in range(pixels.shape[2])
    ]
    top = np.iinfo(pixels.dtype).max
    scaled: Pixels = np.rint(np.stack(planes, axis=2)).clip(0, top).astype(pixels.dtype)
    return scaled


def _nearest(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    return np.asarray(PillowImage.fromarray(mask).resize((width, height), PillowImage.Resampling.NEAREST))


def _pad(pixels: NDArray[Any], height: int, width: int, at: tuple[int, int]) -> NDArray[Any]:
    if pixels.shape[:2] == (height, width):
        return pixels
    canvas: NDArray[Any] = np.full((height, width, pixels.shape[2]), pixels.min(), pixels.dtype)
    canvas[at[0] : at[0] + pixels.shape[0], at[1] : at[1] + pixels.shape[1]] = pixels
    return canvas


def _move_geometry(geometry: Geometry, scale: tuple[float, float], at: tuple[int, int]) -> Geometry:
    """Move the geometry with the pixels: new (i, j) lies at old ((i - at + 0.5) * scale - 0.5)."""
    spacing = geometry.spacing_mm
    to_old = np.eye(4)
    for axis in (0, 1):
        to_old[axis, axis] = scale[axis]
        to_old[axis, 3] = (0.5 - at[axis]) * scale[axis] - 0.5
    affine = None
    if geometry.affine is not None:
        affine = tuple(tuple(float(value) for value in row) for row in np.array(geometry.affine) @ to_old)
    return replace(
        geometry, spacing_mm=None if spacing is None else (spacing[0] * scale[0], spacing[1] * scale[1]), affine=affine
    )
