"""Read PNG, JPEG and TIFF files as 8 or 16 bit gray or 8 bit RGB, or refuse them with a reason."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.formats.picture_modes import GRAY_16, bring_to_stored, stored_channels, unsupported_kind
from curation.ingest.formats.png_files import EXIF, PALETTE_COLOUR, list_chunk_kinds, read_png_header
from curation.ingest.formats.tiff_fields import TiffFields, read_tiff_fields
from curation.ingest.incoming import Unreadable
from curation.tables.images import Shape

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
MAX_PIXELS = 64_000_000
_FORMATS = ("PNG", "JPEG", "TIFF")
_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"II": "TIFF", b"MM": "TIFF"}
_SEVERAL = "MPO"  # Pillow's name of a JPEG with further pictures behind it (CIPA DC-007)
_EXIF_ORIENTATION = 0x0112
WHITE_IS_ZERO = "WhiteIsZero (TIFF PhotometricInterpretation 0) was turned, so that higher is brighter"
UPRIGHT = "turned upright, as the orientation in the file says"
FIRST_OF_SEVERAL = "a JPEG with further pictures behind it (MPF): its first is taken, what follows is dropped"
UNSTATED_CHANNEL = "a further channel of no stated meaning (TIFF ExtraSamples 0) was dropped"
_PNG_NOTES = {
    b"pCAL": "PNG pCAL (what a value stands for) was not applied: values are kept as they are stored",
    b"sCAL": "PNG sCAL (the size of a pixel) was not applied: the spacing is unknown",
}


def describe_shape(height: int, width: int, channels: int, bits: int) -> str:
    """A picture's size and kind in words: `96x96 RGB, 8 bit`."""
    return f"{height}x{width} {'RGB' if channels == 3 else 'gray'}, {bits} bit"


def explain_shape_difference(expected: Shape, actual: Shape, others: str) -> str:
    """The reason for leaving out a picture with another shape than the others, and what may help."""
    reason = f"expected {describe_shape(*expected)} as {others}, got {describe_shape(*actual)}"
    if expected[2] == actual[2] or expected[3] != actual[3]:
        return reason
    return f"{reason}. If the RGB ones show only gray, --gray brings them to it"


def check_size(height: int, width: int) -> None:
    """Raise BadInput for a picture without pixels, or with too many."""
    if height < 1 or width < 1:
        raise BadInput(f"{width}x{height}: a picture without pixels")
    if height * width > MAX_PIXELS:
        raise BadInput(f"{width}x{height} is more than {MAX_PIXELS:,} pixels: refused as a decompression bomb")


def header_suffices(head: bytes) -> bool:
    """Whether the first bytes of a file are enough for `probe_picture`; a palette comes after them."""
    header = read_png_header(head)
    return header is not None and header[3] != PALETTE_COLOUR


def probe_picture(content: bytes) -> Shape:
    """Read from the header which shape `decode_picture` will give; raises BadInput."""
    header = read_png_header(content)
    if header is not None and header[3] != PALETTE_COLOUR and EXIF not in list_chunk_kinds(content):
        height, width, depth, colour = header
        return height, width, 3 if colour in (2, 6) else 1, 16 if depth == 16 else 8
    with _opened(content) as picture:
        width, height = picture.size
        if _exif_orientation(picture, list_chunk_kinds(content)) >= 5:  # EXIF 2.3, 4.6.4: rotated
            width, height = height, width
        return height, width, stored_channels(picture), 16 if picture.mode in GRAY_16 else 8


def decode_picture(content: bytes) -> tuple[Pixels, tuple[str, ...]]:
    """Decode a file to (H, W, C) uint8 or uint16, upright by its EXIF orientation; raises BadInput.

    Also returns notes on what was done to the values.
    """
    fields = read_tiff_fields(content)
    chunks = list_chunk_kinds(content)
    with _opened(content) as picture:
        packing, orientation = _packing(picture), _exif_orientation(picture, chunks)
        remarks = [remark for kind, remark in _PNG_NOTES.items() if kind in chunks]
        remarks += [UPRIGHT] if orientation != 1 else []
        remarks += [FIRST_OF_SEVERAL] if picture.format == _SEVERAL or "mp" in picture.info else []
        upright = ImageOps.exif_transpose(picture) if orientation != 1 else picture
        brought, notes = bring_to_stored(upright, packing)
        values = np.asarray(brought)
    if values.dtype != np.uint8:
        values = values.astype(np.uint16)
    if fields is not None and fields.is_white_zero_16:
        values = np.iinfo(np.uint16).max - values
    if fields is not None:
        remarks += _tiff_remarks(fields)
    return values[:, :, None] if values.ndim == 2 else values, (*notes, *remarks)


def _exif_orientation(picture: ImageFile, chunks: set[bytes]) -> int:
    """The orientation in the EXIF data of a JPEG or a PNG; Pillow turns a TIFF itself."""
    if picture.format == "TIFF" or (picture.format == "PNG" and EXIF not in chunks):
        return 1
    orientation: int = picture.getexif().get(_EXIF_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _tiff_remarks(fields: TiffFields) -> list[str]:
    remarks = ((fields.orientation in range(2, 9), UPRIGHT), (fields.is_white_zero, WHITE_IS_ZERO))
    return [remark for holds, remark in (*remarks, (fields.has_unstated_channel, UNSTATED_CHANNEL)) if holds]


@contextmanager
def _opened(content: bytes) -> Iterator[ImageFile]:
    """Open a file that can be read without loss; a failure of the decoder becomes Unreadable."""
    if not content:
        raise BadInput("the file is empty")
    fields = read_tiff_fields(content)
    if fields is not None and fields.is_white_zero_16:
        content = fields.as_black_is_zero(content)
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            _check(picture)
            yield picture
    except BadInput:
        raise
    except UnidentifiedImageError as error:
        raise _explain_unidentified(content, fields) from error
    except Image.DecompressionBombError as error:
        raise BadInput(f"more than {MAX_PIXELS:,} pixels: refused as a decompression bomb") from error
    except Exception as error:  # decoders fail on damaged files with nearly every type there is
        raise Unreadable(error) from error


def _explain_unidentified(content: bytes, fields: TiffFields | None) -> BadInput:
    if fields is not None:
        return BadInput(f"a TIFF of {fields.describe()} is not read. Save it as 8 or 16 bit gray, or as 8 bit RGB")
    kind = next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), None)
    if kind is not None:
        return BadInput(f"it begins like a {kind} file, and its header cannot be read")
    return BadInput("not a PNG, JPEG or TIFF file, despite its name")


def _check(picture: ImageFile) -> None:
    width, height = picture.size
    check_size(height, width)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != _SEVERAL:
        raise BadInput(f"{frames} pictures in one file. Save each as a file of its own")
    kind = unsupported_kind(picture, _packing(picture))
    if kind is not None:
        raise BadInput(f"{kind}. Save it as 8 or 16 bit gray, or as 8 bit RGB")


def _packing(picture: ImageFile) -> str:
    """How the file packs its pixels, as Pillow names it: `RGB;16B`, `L;4`."""
    return " ".join(str(tile.args) for tile in picture.tile)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence the warnings of decoders, which may quote metadata; it acts on the whole process."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "nibabel.global", "PIL")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
