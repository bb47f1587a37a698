"""Decode the frames of a DICOM file to stored values: unsigned, higher is brighter.

- Signed values are moved up by half their range; the geometry keeps the offset.
- A modality LUT is applied (PS3.3, C.11.1); a slope and an intercept are kept beside the values instead.
- Values in Hounsfield units are stored as HU + 32,768, whatever sign and intercept the file has.
- A negative slope is turned, so that higher is brighter; the values stand for the same as before.
- MONOCHROME1 is inverted within the range of its stored bits, and the window with it, so that air is dark on a page and
  for a model that does not know of it.
- pydicom turns palettes and YBR into RGB.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.formats.codestreams import check_codestream
from curation.ingest.formats.decoder_process import decode_in_process
from curation.ingest.formats.dicom_attributes import explain_failure, read_code, read_numbers
from curation.ingest.formats.dicom_geometry import find_macro, has_rescale, read_rescale, read_window
from curation.ingest.formats.dicom_header import check_header, count_frames, read_header
from curation.ingest.formats.dicom_preamble import is_bare, transfer_syntax
from curation.ingest.formats.value_remarks import NO_RESCALE, OTHER_UNIT
from curation.ingest.formats.value_scale import SIGNED_OFFSET, store_whole_numbers, turn_values
from curation.ingest.incoming import Unreadable
from curation.provenance.value_scales import ANOTHER_UNIT, HOUNSFIELD, PET_UNITS, UNKNOWN_UNIT

_CALIBRATED = ("CT", "PT")
_RESCALE_TYPES = ("OD", HOUNSFIELD, "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT")  # PS3.3, C.11.1.1.2
_PLUGINS = {  # GDCM decodes all of them too, and aborts the process on damaged ones
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}
INVERTED = "MONOCHROME1 was turned, so that higher is brighter"
TURNED_SLOPE = "a negative RescaleSlope was turned, so that higher is brighter; the values stand for the same"
CONTRADICTION = "MONOCHROME2 with a PresentationLUTShape of INVERSE: shown as MONOCHROME2 says"
NOT_SQUARE = "PixelAspectRatio is not 1:1, or cannot be read, and was not applied: the pixels are stored as they are"
PALETTE_16 = "a palette of 16 bit colours was brought to 8 bit"


@dataclass(frozen=True, slots=True)
class Values:
    """The stored values of one frame, and what they mean."""

    pixels: Pixels  # (H, W, C)
    slope: float = 1.0
    intercept: float = 0.0
    signed_offset: int = 0
    unit: str | None = None
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def decode_frames(path: Path, header: FileDataset) -> Iterator[NDArray[Any]]:
    """Yield the decoded frames, (H, W) or (H, W, 3); uncompressed frames are read one at a time."""
    try:
        yield from _decode(path, header)
    except (BadInput, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # of nearly every type there is; a panic of the Rust decoder is no Exception
        raise Unreadable(error, "its pixels cannot be decoded") from error


def _decode(path: Path, header: FileDataset) -> Iterator[NDArray[Any]]:
    syntax = transfer_syntax(header)
    if syntax.is_deflated or not syntax.is_encapsulated:
        source = _whole(path, syntax) if syntax.is_deflated or is_bare(header) else path
        if not syntax.is_deflated:
            _check_bytes_there(path, header)
        yield from iter_pixels(source)
        return
    dataset = read_header(path, pixels=True)
    check_header(dataset)
    if "PixelData" not in dataset:
        raise BadInput("a DICOM file without a picture")
    count = count_frames(dataset)
    for stream in generate_frames(dataset.PixelData, number_of_frames=count):
        check_codestream(stream, int(dataset.Rows), int(dataset.Columns))
    extended = syntax == JPEGExtended12Bit and int(dataset.BitsStored) > 8
    if extended and (int(dataset.get("PixelRepresentation") or 0) or dataset.SamplesPerPixel != 1):
        raise BadInput("12 bit JPEG of signed values or of colour: expected unsigned gray")
    if extended or syntax in (JPEGLossless, JPEGLosslessSV1):
        yield from decode_in_process(path, count)
        return
    decoder, plugin = get_decoder(syntax), _PLUGINS.get(syntax, "")
    if count == 1:
        yield decoder.as_array(dataset, index=0, decoding_plugin=plugin)[0]
        return
    yield from (frame for frame, _ in decoder.iter_array(dataset, decoding_plugin=plugin))


def _whole(path: Path, syntax: UID) -> FileDataset:
    """Read a data set with its pixels: pydicom cannot read a deflated or a bare file frame by frame."""
    dataset = read_header(path, pixels=True)
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise BadInput("its pixels are compressed, and no transfer syntax says how")
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _check_bytes_there(path: Path, header: FileDataset) -> None:
    samples, bits = int(header.SamplesPerPixel), int(header.BitsAllocated)
    share = 2 / 3 if header.PhotometricInterpretation == "YBR_FULL_422" else 1.0
    needed = int(header.Rows) * int(header.Columns) * samples * bits // 8 * count_frames(header) * share
    if path.stat().st_size < needed:
        raise BadInput(f"its header says {int(needed):,} bytes of pixels, the file has {path.stat().st_size:,} in all")


def to_stored_values(frame: NDArray[Any], header: Dataset, number: int) -> Values:
    """Bring a decoded frame to stored values; raises BadInput for values that cannot be kept."""
    photometric = header.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        return _of_palette(frame, header)
    if frame.ndim == 3:
        return Values(_eight_bit(frame))
    window, notes = read_window(header, number)
    stored = replace(_gray(frame, header, number), unit=_kept_unit(header, number))
    stored = replace(stored, window=window, notes=(*notes, *_remarks(header, number), *stored.notes))
    if photometric == "MONOCHROME2":
        return stored
    if read_code(header, "Modality") in _CALIBRATED or _unit(header, number) == HOUNSFIELD:
        raise BadInput("MONOCHROME1 with calibrated values (CT, PET): inverting them would change their meaning")
    return _invert(stored, header)


def _gray(frame: NDArray[Any], header: Dataset, number: int) -> Values:
    """The unsigned values of a gray frame, higher for a higher value, and what they stand for."""
    through_lut = bool(header.get("ModalityLUTSequence"))
    values = _through_lut(frame, header) if through_lut else frame
    slope, intercept = (1.0, 0.0) if through_lut else read_rescale(header, number)
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
        raise BadInput(f"values of type {values.dtype}: expected 8 or 16 bit integers")
    is_ct = read_code(header, "Modality") == "CT" or _unit(header, number) == HOUNSFIELD
    whole = store_whole_numbers(values, slope, intercept) if is_ct and values.dtype.itemsize == 2 else None
    if whole is not None:
        return Values(whole[:, :, None], 1.0, 0.0, SIGNED_OFFSET)
    signed_offset = 0
    if values.dtype.kind == "i":
        signed_offset = 1 << (8 * values.dtype.itemsize - 1)
        values = (values.astype(np.int32) + signed_offset).astype(f"u{values.dtype.itemsize}")
    stored = Values(np.ascontiguousarray(values)[:, :, None], slope, intercept, signed_offset)
    if slope > 0:
        return stored
    turned, slope, intercept = turn_values(stored.pixels, _ends(stored, header), slope, intercept, signed_offset)
    return replace(stored, pixels=turned, slope=slope, intercept=intercept, notes=(TURNED_SLOPE,))


def _through_lut(frame: NDArray[Any], header: Dataset) -> NDArray[Any]:
    try:
        looked_up: NDArray[Any] = apply_modality_lut(frame, header)
    except Exception as error:  # a damaged table fails with nearly every type there is
        raise Unreadable(error, "ModalityLUTSequence cannot be applied") from error
    return looked_up


def _unit(header: Dataset, number: int) -> str:
    """The unit of the values by their modality LUT or rescale (PS3.3, C.11.1.1.2); "" where none is named."""
    lut = header.get("ModalityLUTSequence")
    if lut:
        return read_code(lut[0], "ModalityLUTType")
    return read_code(find_macro(header, number, "PixelValueTransformationSequence"), "RescaleType")


def _kept_unit(header: Dataset, number: int) -> str | None:
    """The unit that is kept of CT, PET and whatever is in Hounsfield units; one that no standard names is not."""
    named, modality = _unit(header, number), read_code(header, "Modality")
    if modality not in _CALIBRATED and named != HOUNSFIELD:
        return None
    if _lacks_rescale(header, number):
        return UNKNOWN_UNIT
    if modality == "PT" and named != HOUNSFIELD:
        of_pet = read_code(header, "Units") or named  # an export of ours says it as RescaleType
        return of_pet if of_pet in PET_UNITS else ANOTHER_UNIT if of_pet else UNKNOWN_UNIT
    return named if named in _RESCALE_TYPES else ANOTHER_UNIT if named else HOUNSFIELD


def _lacks_rescale(header: Dataset, number: int) -> bool:
    """Whether slope or intercept, which CT and PET must have, is not there."""
    is_calibrated = read_code(header, "Modality") in _CALIBRATED or _unit(header, number) == HOUNSFIELD
    return is_calibrated and not header.get("ModalityLUTSequence") and not has_rescale(header, number)


def _remarks(header: Dataset, number: int) -> tuple[str, ...]:
    """What the header says of the values that was not applied."""
    is_other = read_code(header, "Modality") == "CT" and _unit(header, number) not in ("", HOUNSFIELD)
    is_inverse = header.get("PresentationLUTShape") == "INVERSE" and header.PhotometricInterpretation == "MONOCHROME2"
    remarks = (
        (is_other, OTHER_UNIT),
        (_lacks_rescale(header, number), NO_RESCALE),
        (is_inverse, CONTRADICTION),
        (not _is_square(header), NOT_SQUARE),
    )
    return tuple(remark for holds, remark in remarks if holds)


def _is_square(header: Dataset) -> bool:
    try:
        return len(set(read_numbers(header, "PixelAspectRatio"))) < 2
    except BadInput:
        return False


def _ends(stored: Values, header: Dataset) -> int:
    """The sum of the least and the greatest value that can be stored."""
    pixels, signed_offset, bits = stored.pixels, stored.signed_offset, int(header.BitsStored)
    low, high = 0, (1 << bits) - 1
    if signed_offset:
        low, high = signed_offset - (1 << (bits - 1)), signed_offset + (1 << (bits - 1)) - 1
    if header.get("ModalityLUTSequence"):
        high = int(np.iinfo(pixels.dtype).max)
    return min(low, int(pixels.min())) + max(high, int(pixels.max()))


def _invert(stored: Values, header: Dataset) -> Values:
    """Invert stored values within their range, and the centre of the window with them."""
    ends = _ends(stored, header)
    inverted: Any = (ends - stored.pixels.astype(np.int32)).astype(stored.pixels.dtype)
    doubled_middle = (ends - 2 * stored.signed_offset) * stored.slope + 2 * stored.intercept
    mirrored = None if stored.window is None else (doubled_middle - stored.window[0], stored.window[1])
    return replace(stored, pixels=inverted, window=mirrored, notes=(*stored.notes, INVERTED))


def _of_palette(frame: NDArray[Any], header: Dataset) -> Values:
    try:
        colours = apply_color_lut(frame, header)
    except Exception as error:  # a damaged table fails with nearly every type there is
        raise explain_failure(error, header, "the colours of its palette cannot be looked up") from error
    if colours.dtype == np.uint16:  # PS3.3, C.7.6.3.1.6: entries of 16 bit; the high byte is the 8 bit colour
        return Values(_eight_bit((colours >> 8).astype(np.uint8)[..., :3]), notes=(PALETTE_16,))
    return Values(_eight_bit(colours[..., :3]))


def _eight_bit(frame: NDArray[Any]) -> NDArray[np.uint8]:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise BadInput(f"colour of {frame.shape} {frame.dtype}: expected 8 bit RGB")
    return np.ascontiguousarray(frame)
