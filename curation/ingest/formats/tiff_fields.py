"""Read the fields of a TIFF file that say what its values mean (TIFF 6.0, sections 3 to 8 and 19).

Pillow reads WhiteIsZero of 8 bit and less, takes 16 bit of it as BlackIsZero or not at all, and takes signed bytes for
unsigned ones. So these fields are looked at before it sees the file.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

from curation.errors import BadInput

Tags: TypeAlias = dict[int, tuple[tuple[int, ...], int]]  # tag -> its numbers, and where the first of them stands

_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _EXTRA, _SAMPLE_FORMAT = 258, 259, 262, 274, 338, 339
_OLD_JPEG = 6
_SIZES = {1: "B", 3: "H", 4: "I"}  # types of the fields read here: BYTE, SHORT, LONG
_MOST_VALUES = 16
_KINDS = {2: "signed {} bit integers", 3: "floating-point values", 4: "values of no stated kind"}


@dataclass(frozen=True, slots=True)
class TiffFields:
    """What the first picture of a TIFF file says of its values."""

    photometric: int | None
    photometric_at: int
    is_little_endian: bool
    bits: tuple[int, ...]
    sample_format: int
    orientation: int
    has_unstated_channel: bool

    @property
    def is_white_zero(self) -> bool:
        """Whether 0 is white."""
        return self.photometric == 0

    @property
    def is_white_zero_16(self) -> bool:
        """Whether 0 is white in 16 bit gray."""
        return self.is_white_zero and self.bits == (16,)

    def describe(self) -> str:
        """Name the fields and their values."""
        bits = ", ".join(map(str, self.bits))
        return (
            f"PhotometricInterpretation {self.photometric}, BitsPerSample {bits} and SampleFormat {self.sample_format}"
        )

    def as_black_is_zero(self, content: bytes) -> bytes:
        """The file with 1 in PhotometricInterpretation; its values stay, to be turned when they are decoded."""
        changed = bytearray(content)
        struct.pack_into("<H" if self.is_little_endian else ">H", changed, self.photometric_at, 1)
        return bytes(changed)


def read_tiff_fields(content: bytes) -> TiffFields | None:
    """Read the fields; None for a file that is no TIFF or breaks off; raises BadInput, by field, for kinds not kept."""
    if content[:2] not in (b"II", b"MM"):
        return None
    try:
        tags = _read_tags(content, "<" if content[:2] == b"II" else ">")
    except (struct.error, OverflowError):  # an offset that leads out of the file
        return None
    if tags is None:
        return None

    def numbers(tag: int, absent: int) -> tuple[int, ...]:
        return tags[tag][0] if tag in tags else (absent,)

    formats = set(numbers(_SAMPLE_FORMAT, 1))
    fields = TiffFields(
        photometric=tags[_PHOTOMETRIC][0][0] if _PHOTOMETRIC in tags else None,
        photometric_at=tags[_PHOTOMETRIC][1] if _PHOTOMETRIC in tags else 0,
        is_little_endian=content[:2] == b"II",
        bits=numbers(_BITS, 1),
        sample_format=max(formats),
        orientation=numbers(_ORIENTATION, 1)[0],
        has_unstated_channel=_EXTRA in tags and 0 in tags[_EXTRA][0],
    )
    if fields.sample_format != 1:
        kind = _KINDS.get(fields.sample_format, "values of a kind that is not kept").format(max(fields.bits))
        raise BadInput(
            f"TIFF SampleFormat {fields.sample_format}: {kind}. Save it as 8 or 16 bit gray, or as 8 bit RGB"
        )
    if fields.photometric is None and numbers(_COMPRESSION, 1) != (_OLD_JPEG,):
        raise BadInput("TIFF without PhotometricInterpretation: it does not say whether 0 is black or white")
    return fields


def _read_tags(content: bytes, order: str) -> Tags | None:
    """Read the numbers of the first image file directory, also of a BigTIFF; None for another version."""
    (version,) = struct.unpack_from(f"{order}H", content, 2)
    if version not in (42, 43):
        return None
    is_big = version == 43
    count_format, entry_size, room = ("Q", 20, 8) if is_big else ("H", 12, 4)
    (start,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", content, 8 if is_big else 4)
    (count,) = struct.unpack_from(f"{order}{count_format}", content, start)
    tags: Tags = {}
    for number in range(min(count, 4_096)):
        at = start + struct.calcsize(f"{order}{count_format}") + number * entry_size
        tag, kind, values = struct.unpack_from(f"{order}HH{'Q' if is_big else 'I'}", content, at)
        if kind not in _SIZES or not 0 < values <= _MOST_VALUES:
            continue
        place = at + entry_size - room
        number_format = f"{order}{values}{_SIZES[kind]}"
        if struct.calcsize(number_format) > room:
            (place,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", content, place)
        tags[tag] = struct.unpack_from(number_format, content, place), place
    return tags
