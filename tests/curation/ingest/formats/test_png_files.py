"""A PNG is stored as it came only when it is one picture and nothing else."""

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from curation.image_store import decode_png
from curation.ingest.formats.png_files import encode_png_fast, strip_png
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from tests.curation.ingest.sources.folders import converted, encoded
from tests.rows import NOW, picture

DEEP = picture(1).astype(np.uint16) * 257


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("pixels", [picture(1), picture(1, channels=3), DEEP], ids=["gray", "rgb", "16 bit"])
def test_text_profiles_and_what_follows_the_end_stay_behind(pixels: np.ndarray) -> None:
    about = PngInfo()
    about.add_text("Patient", "Erika Mustermann")
    about.add_itxt("XML:com.adobe.xmp", "<x>Mustermann</x>", zip=True)
    content = encoded(pixels, pnginfo=about, dpi=(72, 72), icc_profile=b"Mustermann profile") + b"Mustermann"
    bare = strip_png(content)
    assert bare is not None
    assert np.array_equal(decode_png(bare), pixels)
    assert {bare[i : i + 4] for i in (12,)} == {b"IHDR"}
    for kind in (b"tEXt", b"iTXt", b"iCCP", b"pHYs", b"Mustermann"):
        assert kind not in bare


def test_bytes_hidden_behind_the_picture_in_its_stream_are_found() -> None:
    whole = encoded(picture(1))
    rows = b"".join(b"\0" + row.tobytes() for row in picture(1)[:, :, 0])
    head, end = whole[:33], _chunk(b"IEND", b"")
    assert strip_png(head + _chunk(b"IDAT", zlib.compress(rows)) + end) is not None
    assert strip_png(head + _chunk(b"IDAT", zlib.compress(rows + b"Mustermann")) + end) is None
    assert strip_png(head + _chunk(b"IDAT", zlib.compress(rows) + b"Mustermann") + end) is None
    assert strip_png(head + _chunk(b"IDAT", zlib.compress(rows[:-1])) + end) is None


@pytest.mark.parametrize("mode", ["P", "RGBA", "1", "LA"])
def test_other_kinds_are_encoded_anew_or_refused_elsewhere(mode: str) -> None:
    assert strip_png(converted(mode)) is None


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(1, np.uint8), (3, np.uint8), (1, np.uint16)]))
def test_what_is_encoded_fast_is_decoded_to_the_same_values(height: int, width: int, kind: tuple[int, type]) -> None:
    channels, dtype = kind
    rng = np.random.default_rng(height * 41 + width)
    pixels = rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)
    content = encode_png_fast(pixels)
    assert np.array_equal(decode_png(content), pixels)
    assert decode_png(content).dtype == dtype
    assert strip_png(content) == content


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_a_changed_byte_gives_the_same_picture_or_none(at: int, value: int) -> None:
    content = bytearray(encoded(picture(1)))
    content[at % len(content)] = value
    bare = strip_png(bytes(content))
    assert bare is None or np.array_equal(decode_png(bare), picture(1))


def test_a_picture_that_an_earlier_version_deflated_otherwise_is_known_by_its_pixels(
    project: Project, tmp_path: Path
) -> None:
    source = tmp_path / "cells" / "a" / "p1.png"
    source.parent.mkdir(parents=True)
    source.write_bytes(encoded(picture(1)))
    assert import_image_folder(project, NOW, tmp_path / "cells").added == 1
    [stored] = project.store.files()
    assert not stored.endswith(f"{hashlib.sha256(encode_png_fast(picture(1))).hexdigest()}.png")
    source.unlink()
    PillowImage.fromarray(picture(1)[:, :, 0]).save(source.with_suffix(".tif"))
    report = import_image_folder(project, NOW, tmp_path / "cells")
    assert (report.added, report.already, report.rejected) == (0, 1, [])
    assert list(project.store.files()) == [stored]
