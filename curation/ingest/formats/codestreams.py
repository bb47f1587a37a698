"""Read the size inside a compressed stream of a DICOM file, before a decoder trusts it."""

from curation.errors import BadInput

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # ISO 10918-1 table B.1; JPEG-LS SOF55
_NO_LENGTH = frozenset(range(0xD0, 0xD9)) | {0x01}


def check_codestream(stream: bytes, height: int, width: int) -> None:
    """Raise BadInput when a JPEG, JPEG-LS or JPEG 2000 stream holds another size than the file's header says.

    Run-length encoding (DICOM PS3.5, annex G) has no size of its own: its decoder fills what the header says.
    """
    size = _jpeg2000_size(stream) if b"\xff\x4f\xff\x51" in stream[:256] else _jpeg_size(stream)
    if size is not None and size != (height, width):
        raise BadInput(f"its header says {width}x{height}, the compressed picture {size[1]}x{size[0]}")


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    if stream[:2] != b"\xff\xd8":
        return None
    position = 2
    while position + 9 <= len(stream):
        if stream[position] != 0xFF:
            return None
        marker = stream[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _NO_LENGTH:
            position += 2
        elif marker in _JPEG_FRAMES:
            return int.from_bytes(stream[position + 5 : position + 7]), int.from_bytes(
                stream[position + 7 : position + 9]
            )
        else:
            position += 2 + max(2, int.from_bytes(stream[position + 2 : position + 4]))
    return None


def _jpeg2000_size(stream: bytes) -> tuple[int, int] | None:
    """Read the size from SIZ: the reference grid and where the picture begins on it (ISO 15444-1, A.5.1)."""
    start = stream.index(b"\xff\x4f\xff\x51") + 8
    if start + 16 > len(stream):
        return None
    right, bottom, left, top = (int.from_bytes(stream[start + 4 * n : start + 4 * n + 4]) for n in range(4))
    return bottom - top, right - left
