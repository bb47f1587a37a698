"""Make PNG files for the store: strip a given one to its critical chunks, or encode pixels fast.

A given PNG can be stored when its critical chunks hold exactly one picture and nothing else. Text, time, profiles and
other ancillary chunks are dropped (PNG specification, third edition, section 11). Bytes after the picture inside its
compressed stream are looked for too.
"""

import struct
import zlib

import numpy as np
from isal import isal_zlib

from curation.errors import BadInput
from curation.image_store import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF = b"eXIf"  # may say that the picture is to be turned, section 11.3.4.5
PALETTE_COLOUR = 3  # the colour type, section 11.2.1
_STORED = {(8, 0): 1, (16, 0): 2, (8, 2): 3}  # bit depth and colour type -> bytes a pixel


def read_png_header(content: bytes) -> tuple[int, int, int, int] | None:
    """Read height, width, bit depth and colour type from the first bytes; None when it is no PNG."""
    if content[:8] != _SIGNATURE or content[12:16] != b"IHDR" or len(content) < 29:
        return None
    width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
    return height, width, depth, colour


def list_chunk_kinds(content: bytes) -> set[bytes]:
    """List the kinds of the chunks of a PNG file, as far as they can be followed; none for another file."""
    kinds, position = set(), len(_SIGNATURE)
    while content[:8] == _SIGNATURE and position + 8 <= len(content):
        kinds.add(content[position + 4 : position + 8])
        position += 12 + int.from_bytes(content[position : position + 4])
    return kinds


def strip_png(content: bytes) -> bytes | None:
    """Strip ancillary chunks; None when it must be encoded anew: interlaced, another depth, turned, or damaged."""
    header = read_png_header(content)
    if header is None or content[26:29] != b"\0\0\0":
        return None
    height, width, depth, colour = header
    chunks = _chunks(content)
    if (depth, colour) not in _STORED or chunks is None:
        return None
    kinds = [kind for kind, _, _ in chunks]
    data = [content[start + 8 : end - 4] for kind, start, end in chunks if kind == b"IDAT"]
    size = height * (1 + width * _STORED[depth, colour])
    is_whole = kinds[0] == b"IHDR" and kinds[-1] == b"IEND" and kinds.count(b"IHDR") == 1
    if EXIF in kinds or not is_whole or not _holds_exactly(data, size):
        return None
    kept = [content[start:end] for kind, start, end in chunks if kind in (b"IHDR", b"IDAT", b"IEND")]
    return b"".join([_SIGNATURE, *kept])


def encode_png_fast(pixels: Pixels) -> bytes:
    """Encode (H, W, C) losslessly and fast: every row as its difference from the row above.

    Filter "up" (section 9), deflated by ISA-L at its level 1. Measured on noisy 224 x 224 gray: 0.25 ms and 23.7 kB,
    where zlib's run-length matching takes 0.72 ms for 22.2 kB.
    """
    height, width, channels = pixels.shape
    depth, colour = 8 * pixels.dtype.itemsize, 2 if channels == 3 else 0
    if (depth, colour) not in _STORED or channels not in (1, 3):
        raise BadInput(f"expected 8 or 16 bit gray or 8 bit RGB, got {pixels.shape} {pixels.dtype}")
    rows = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    data = isal_zlib.compress(filtered.data, 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join([_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _chunks(content: bytes) -> list[tuple[bytes, int, int]] | None:
    """Kind, start and end of each chunk up to IEND; None for a damaged or an unknown critical chunk."""
    position, chunks = len(_SIGNATURE), []
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        kind, end = content[position + 4 : position + 8], position + 12 + length
        critical = not kind[0] & 0x20
        if end > len(content) or (critical and kind not in (b"IHDR", b"IDAT", b"IEND")):
            return None
        if critical and zlib.crc32(content[position + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
            return None
        chunks.append((kind, position, end))
        if kind == b"IEND":
            return chunks if length == 0 else None
        position = end
    return None


def _holds_exactly(data: list[bytes], size: int) -> bool:
    stream = zlib.decompressobj()
    try:
        return len(stream.decompress(b"".join(data), size + 1)) == size and stream.eof and not stream.unused_data
    except zlib.error:
        return False
