"""Add text chunks to PNG files after the header; every other byte stays as it was.

PNG specification (third edition) 11.3.3: tEXt for Latin-1, iTXt for anything else.
"""

import struct
import zlib
from collections.abc import Mapping

from curation.errors import Damaged
from curation.exports.selection import ExportItem
from curation.exports.software import NAME, NOT_ANONYMOUS, notice_text, software_version

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(SIGNATURE) + 25  # IHDR: length, type, 13 bytes, checksum


def stamp_png(content: bytes, texts: Mapping[str, str]) -> bytes:
    """Add `texts` to a PNG; pixel data are not decoded and stay byte for byte. Raises Damaged."""
    if not content.startswith(SIGNATURE) or content[12:16] != b"IHDR":
        raise Damaged(
            "expected a PNG file with its header first, got something else. `rounds verify` lists such files."
        )
    chunks = b"".join(_text_chunk(keyword, text) for keyword, text in texts.items() if text)
    return content[:_HEADER_END] + chunks + content[_HEADER_END:]


def _text_chunk(keyword: str, text: str) -> bytes:
    try:
        kind, body = b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        kind, body = b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def texts_of(item: ExportItem, generators: Mapping[str, str], notice: str | None) -> dict[str, str]:
    """Write what a picture says of itself; `generators` are names by weights digest."""
    row = item.row
    texts = {"Synthetic": "yes" if item.is_artificial else "no", "Origin": row.origin}
    if row.generator is not None:
        texts |= {
            "Generator": f"{generators.get(row.generator, 'unnamed')}, weights {row.generator}",
            "Batch": row.batch or "",
            "Index": "" if row.index is None else str(row.index),
        }
    more = [NOT_ANONYMOUS] if item.is_artificial else []
    return texts | {"Software": f"{NAME} {software_version()}", "Notice": notice_text(notice, *more)}
