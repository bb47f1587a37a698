"""Convert palettes, opaque transparency and fewer than 8 bits to the modes that are stored.

Each conversion is exact and counted in the report. Transparency that hides something is refused: what lies behind it
is not in the file.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.errors import BadInput

PALETTE = "the colours of a palette were looked up"
OPAQUE = "a transparency that hid nothing was dropped"
FEW_BITS = "1, 2 or 4 bits a pixel were spread over 8"
GRAY_16 = ("I;16", "I;16B", "I;16L")
_REFUSED = {
    "PA": "a palette picture with transparency",
    "CMYK": "a CMYK picture",
    "I": "32 bit integers",
    "F": "floating-point values",
}


def unsupported_kind(picture: Image.Image, packing: str) -> str | None:
    """The kind of a picture that cannot be kept, by its header, else None; `packing` is how pixels are packed."""
    if kind := _REFUSED.get(picture.mode):
        return kind
    if ";16" in packing and picture.mode not in GRAY_16:
        return "16 bit RGB" if picture.mode == "RGB" else "16 bit with transparency"
    if "transparency" in picture.info and (picture.mode in GRAY_16 or _has_few_bits(picture, packing)):
        return "a picture of another depth than 8 bit with transparency"
    return None if picture.mode in ("1", "L", "P", "RGB", "LA", "RGBA", *GRAY_16) else f"of mode {picture.mode}"


def stored_channels(picture: Image.Image) -> int:
    """3 for colour, 1 for gray or a palette of grays; for a picture that is not loaded yet."""
    if picture.mode == "P":
        return 1 if _is_gray_palette(picture) else 3
    return 3 if picture.mode in ("RGB", "RGBA") else 1


def bring_to_stored(picture: Image.Image, packing: str) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a picture to L, RGB or 16 bit gray, and note how; raises BadInput unless it is opaque."""
    mode, channels = picture.mode, stored_channels(picture)
    if mode == "P":
        _check_indices(picture)
    notes = [FEW_BITS] if _has_few_bits(picture, packing) else []
    if picture.has_transparency_data:
        picture = picture if mode == "LA" else picture.convert("RGBA")
        if np.asarray(picture.getchannel("A")).min() != 255:
            raise BadInput(
                "its transparency hides part of it. Flatten it onto its background, and save it without transparency"
            )
        notes.append(OPAQUE)
    if mode == "P":
        notes.append(PALETTE)
    if picture.mode not in ("L", "RGB", *GRAY_16):
        picture = picture.convert("RGB" if channels == 3 else "L")
    return picture, tuple(notes)


def _has_few_bits(picture: Image.Image, packing: str) -> bool:
    return picture.mode == "1" or (picture.mode == "L" and (";2" in packing or ";4" in packing))


def _check_indices(picture: Image.Image) -> None:
    colours = _palette(picture).shape[1]
    highest = int(np.asarray(picture).max())
    if highest >= colours:
        raise BadInput(f"its palette has {colours} colours, and a pixel is of number {highest}, counted from 0")


def _is_gray_palette(picture: Image.Image) -> bool:
    planes = _palette(picture)
    return bool((planes == planes[0]).all())


def _palette(picture: Image.Image) -> NDArray[np.uint8]:
    """The palette (3, colours) of a picture that is not loaded yet; PNG and TIFF order it differently."""
    if picture.palette is None:
        raise BadInput("a palette picture without its palette")
    order, entries = picture.palette.getdata()
    colours = np.frombuffer(entries, np.uint8)
    return colours.reshape(3, -1) if order == "RGB;L" else colours.reshape(-1, 3).T
