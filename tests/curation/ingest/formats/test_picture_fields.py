"""What a TIFF, PNG or JPEG says of its values and how it lies is applied, said, or refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from curation.errors import BadInput
from curation.ingest.formats.picture_files import (
    FIRST_OF_SEVERAL,
    UNSTATED_CHANNEL,
    UPRIGHT,
    WHITE_IS_ZERO,
    decode_picture,
    probe_picture,
)
from curation.ingest.formats.picture_modes import FEW_BITS
from curation.ingest.formats.png_files import strip_png
from tests.curation.ingest.sources.folders import encoded
from tests.curation.ingest.sources.test_bad_files import png_of
from tests.rows import picture

_SHORT, _LONG, _LONG8 = 3, 4, 16
PHOTOMETRIC, BITS, COMPRESSION, ORIENTATION, EXTRA, SAMPLE_FORMAT = 258 + 4, 258, 259, 274, 338, 339


def tiff_of(
    values: NDArray[np.integer], bits: int, order: str, fields: dict[int, int | None], *, big: bool = False
) -> bytes:
    """A TIFF of one strip, written by hand: (H, W) values of `bits` bits, in a byte order, with these fields."""
    height, width = values.shape
    if bits < 8:
        unpacked = np.unpackbits(values.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bits :]
        data = np.packbits(unpacked.reshape(height, -1), axis=1).tobytes()
    else:
        data = values.astype(f"{order}i{bits // 8}").tobytes()
    if fields.get(COMPRESSION) == 8:
        data = zlib.compress(data)
    count_format, offset_format, entry_format = ("Q", "Q", "HHQ") if big else ("H", "I", "HHI")
    start = 16 if big else 8
    known = {256: width, 257: height, BITS: bits, COMPRESSION: 1, PHOTOMETRIC: 1, 273: start, 277: 1, 278: height}
    known |= {279: len(data)} | fields
    entries = sorted((tag, value) for tag, value in known.items() if value is not None)
    prefix = b"II" if order == "<" else b"MM"
    head = prefix + (struct.pack(f"{order}HHH", 43, 8, 0) if big else struct.pack(f"{order}H", 42))
    body = struct.pack(f"{order}{count_format}", len(entries))
    for tag, value in entries:
        kind = _LONG if tag in (256, 257, 273, 278, 279) else _SHORT
        packed = struct.pack(f"{order}{'I' if kind == _LONG else 'H'}", value).ljust(8 if big else 4, b"\0")
        body += struct.pack(f"{order}{entry_format}", tag, kind, 1) + packed
    return head + struct.pack(f"{order}{offset_format}", start + len(data)) + data + body + bytes(8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("compression", [1, 8])
def test_white_is_zero_is_turned_in_both_byte_orders_and_every_depth(order: str, bits: int, compression: int) -> None:
    top = (1 << bits) - 1
    values = np.random.default_rng(bits).integers(0, top + 1, (6, 8))
    black, white = (
        tiff_of(values, bits, order, {PHOTOMETRIC: photometric, COMPRESSION: compression}) for photometric in (1, 0)
    )
    stored, notes = decode_picture(black)
    assert np.array_equal(stored[:, :, 0], values * (255 // top if bits < 8 else 1))
    turned, turned_notes = decode_picture(white)
    assert np.array_equal(turned, np.iinfo(stored.dtype).max - stored)
    assert (turned.dtype, turned_notes) == (stored.dtype, (*notes, WHITE_IS_ZERO))
    assert notes == ((FEW_BITS,) if bits < 8 else ())
    assert probe_picture(white) == probe_picture(black) == (6, 8, 1, 16 if bits == 16 else 8)


def test_white_is_zero_of_a_big_tiff_is_turned() -> None:
    values = np.arange(48).reshape(6, 8) * 1_000
    pixels, _ = decode_picture(tiff_of(values, 16, "<", {PHOTOMETRIC: 0}, big=True))
    assert np.array_equal(pixels[:, :, 0], 65_535 - values)


@pytest.mark.parametrize(
    ("bits", "fields", "reason"),
    [
        (8, {SAMPLE_FORMAT: 2}, "TIFF SampleFormat 2: signed 8 bit integers. Save it as"),
        (16, {SAMPLE_FORMAT: 2}, "TIFF SampleFormat 2: signed 16 bit integers. Save it as"),
        (16, {SAMPLE_FORMAT: 4}, "TIFF SampleFormat 4: values of no stated kind. Save it as"),
        (32, {SAMPLE_FORMAT: 3}, "TIFF SampleFormat 3: floating-point values. Save it as"),
        (8, {PHOTOMETRIC: None}, "TIFF without PhotometricInterpretation"),
        (8, {PHOTOMETRIC: 4}, "a TIFF of PhotometricInterpretation 4, BitsPerSample 8 and SampleFormat 1 is not read"),
        (32, {PHOTOMETRIC: 0}, "PhotometricInterpretation 0, BitsPerSample 32"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_kind_of_values_that_is_not_kept_is_named(
    order: str, bits: int, fields: dict[int, int | None], reason: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        decode_picture(tiff_of(np.arange(48).reshape(6, 8), bits, order, fields))
    assert reason in str(refusal.value)


@pytest.mark.parametrize("compression", [1, 8])
def test_a_tiff_stands_upright_as_its_orientation_says(compression: int) -> None:
    values = np.arange(48).reshape(6, 8) * 5
    content = tiff_of(values, 8, "<", {ORIENTATION: 6, COMPRESSION: compression})
    pixels, notes = decode_picture(content)
    assert np.array_equal(pixels[:, :, 0], np.rot90(values, -1))
    assert (probe_picture(content), notes) == ((8, 6, 1, 8), (UPRIGHT,))


def test_limits_resolution_and_response_of_a_tiff_change_no_value() -> None:
    values = np.arange(48).reshape(6, 8) * 1_000
    pixels, notes = decode_picture(tiff_of(values, 16, "<", {280: 500, 281: 20_000, 290: 3, 296: 3}))
    assert np.array_equal(pixels[:, :, 0], values)
    assert notes == ()


def test_a_channel_of_no_stated_meaning_is_dropped_and_said() -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture(1, channels=3)).convert("RGBX").save(buffer, "TIFF")
    pixels, notes = decode_picture(buffer.getvalue())
    assert np.array_equal(pixels, picture(1, channels=3))
    assert notes == (UNSTATED_CHANNEL,)


@pytest.mark.parametrize("behind", [False, True])
def test_a_png_stands_upright_as_its_exif_orientation_says(behind: bool) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 8
    content = encoded(picture(1)[:10], exif=exif)
    if behind:  # the chunk may stand after the pixels
        start = content.index(b"eXIf") - 4
        end = start + 12 + int.from_bytes(content[start : start + 4])
        content = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    pixels, notes = decode_picture(content)
    assert np.array_equal(pixels[:, :, 0], np.rot90(picture(1)[:10, :, 0]))
    assert notes == (UPRIGHT,)
    assert strip_png(content) is None  # it is encoded anew, as it stands now
    if not behind:
        assert probe_picture(content) == (16, 10, 1, 8)


def test_what_a_png_says_of_colour_and_depth_changes_no_value_and_scales_are_said() -> None:
    row = bytes(range(0, 16))
    plain, _ = decode_picture(png_of(16, 0, row))
    chunks = [(b"gAMA", (100_000).to_bytes(4)), (b"sBIT", b"\x0c"), (b"pHYs", bytes([0, 0, 1, 0] * 2 + [1]))]
    pixels, notes = decode_picture(png_of(16, 0, row, *chunks))
    assert np.array_equal(pixels, plain)
    assert notes == ()
    calibrated = (b"pCAL", b"HU\0" + bytes(8) + b"\0\2HU\0-1024\x001")
    pixels, notes = decode_picture(png_of(16, 0, row, calibrated, (b"sCAL", b"\x010.1\x000.1")))
    assert np.array_equal(pixels, plain)
    assert [note[:8] for note in notes] == ["PNG pCAL", "PNG sCAL"]


def test_a_jpeg_with_further_pictures_behind_it_is_its_first() -> None:
    first, second = (PillowImage.fromarray(picture(n, channels=3)) for n in (1, 2))
    alone, both = io.BytesIO(), io.BytesIO()
    first.save(alone, "JPEG")
    first.save(both, "MPO", save_all=True, append_images=[second.resize((8, 8))])
    pixels, notes = decode_picture(both.getvalue())
    assert np.array_equal(pixels, decode_picture(alone.getvalue())[0])
    assert (probe_picture(both.getvalue()), notes) == ((16, 16, 3, 8), (FIRST_OF_SEVERAL,))


@pytest.mark.parametrize("offset", [0, 1 << 20, (1 << 64) - 1])
def test_fields_that_lead_out_of_the_file_are_one_reason(offset: int) -> None:
    for head in (struct.pack("<2sHHHQ", b"II", 43, 8, 0, offset), struct.pack(">2sHI", b"MM", 42, offset % (1 << 32))):
        with pytest.raises(BadInput):
            decode_picture(head + bytes(40))


def test_a_file_that_begins_like_a_picture_and_breaks_off_is_not_called_another_kind() -> None:
    for suffix, kind, length in ((".png", "PNG", 9), (".jpg", "JPEG", 3), (".tif", "TIFF", 6)):
        with pytest.raises(BadInput, match=f"begins like a {kind} file, and its header cannot be read"):
            decode_picture(encoded(picture(1), suffix)[:length])
