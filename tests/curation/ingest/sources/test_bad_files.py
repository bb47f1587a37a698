"""Files that cannot be read or that lead outside are refused in one line each."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from curation.image_store import Pixels
from curation.project import Project
from tests.curation.ingest.sources.folders import Maker, converted, encoded, import_image_folder, reasons_of
from tests.rows import NOW, picture


def png_of(depth: int, colour: int, row: bytes, *before: tuple[bytes, bytes]) -> bytes:
    """A PNG of 2 rows that are alike, written by hand: Pillow writes only what it can hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    width = len(row) * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 2, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress((b"\0" + row) * 2)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*arguments) for arguments in before) + body


def _deep_png(colour: int, samples_bytes: int) -> bytes:
    return png_of(16, colour, bytes(range(4 * samples_bytes)))


def palette_png(colours: int, clear: int | None = None) -> bytes:
    """Pixels 0 to 6 of a palette in which colour n is (n, 2n, 3n); `clear` is one that is half transparent."""
    entries = bytes(value for n in range(colours) for value in (n, 2 * n, 3 * n))
    before = [(b"PLTE", entries)] if colours else []
    if clear is not None:
        before.append((b"tRNS", bytes(128 if n == clear else 255 for n in range(colours))))
    return png_of(8, 3, bytes(range(7)), *before)


def transparent(mode: str, alpha: int = 254, file_format: str = "PNG") -> bytes:
    """A picture of which one pixel has this alpha."""
    image = PillowImage.fromarray(picture(1, channels=3)).convert(mode)
    values = np.array(image)
    values[3, 5, -1] = alpha
    buffer = io.BytesIO()
    PillowImage.fromarray(values, mode).save(buffer, file_format)
    return buffer.getvalue()


def _bomb() -> bytes:
    """A few hundred bytes that claim to be 30,000 by 30,000 pixels."""
    small = encoded(picture(1))
    body = struct.pack(">II", 30_000, 30_000) + small[24:29]
    return small[:16] + body + struct.pack(">I", zlib.crc32(b"IHDR" + body)) + small[33:]


def _two_pages() -> bytes:
    pages = [PillowImage.fromarray(picture(n)[:, :, 0]) for n in range(2)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


BAD = {
    "truncated.png": (encoded(picture(7))[:200], "unreadable: "),
    "truncated.jpg": (encoded(picture(7), ".jpg")[:-60], "unreadable: "),
    "flipped.png": (encoded(picture(8))[:60] + b"\xff" + encoded(picture(8))[61:], "unreadable: "),
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"see the other folder\n", "not a PNG, JPEG or TIFF file, despite its name"),
    "gif.png": (converted("P", "GIF"), "not a PNG, JPEG or TIFF file, despite its name"),
    "bomb.png": (_bomb(), "refused as a decompression bomb"),
    "transparent.png": (transparent("RGBA"), "its transparency hides part of it. Flatten it onto its background"),
    "transparent-gray.png": (transparent("LA"), "its transparency hides part of it. Flatten it onto its background"),
    "transparent-palette.png": (palette_png(7, clear=3), "its transparency hides part of it. Flatten it"),
    "short-palette.png": (palette_png(5), "its palette has 5 colours, and a pixel is of number 6"),
    "no-palette.png": (palette_png(0), "a palette picture without its palette"),
    "deep-transparent.png": (_deep_png(4, 4), "16 bit with transparency. Save it as"),
    "cmyk.jpg": (converted("CMYK", "JPEG"), "a CMYK picture. Save it as"),
    "float.tif": (converted("F", "TIFF"), "floating-point values. Save it as"),
    "integers.tif": (converted("I", "TIFF"), "32 bit integers. Save it as"),
    "deep-color.png": (_deep_png(2, 6), "16 bit RGB. Save it as"),
    "pages.tif": (_two_pages(), "2 pictures in one file"),
    "notes.txt": (b"hello", "not one of .png, .jpg, .jpeg, .tif, .tiff"),
    ".hidden.png": (encoded(picture(9)), "hidden"),
    "small.png": (encoded(picture(3, size=8)), "expected 16x16 gray, 8 bit as most files here, got 8x8 gray, 8 bit"),
    "color.png": (encoded(picture(3, channels=3)), "as most files here, got 16x16 RGB, 8 bit"),
}


@pytest.mark.slow
def test_every_kind_of_bad_file_is_one_line_and_the_good_ones_come_in(project: Project, folder: Maker) -> None:
    files: dict[str, bytes | Pixels] = {f"a/{name}": content for name, (content, _) in BAD.items()}
    files |= {f"a/good-{n}.png": picture(n + 100) for n in range(6)}
    report = import_image_folder(project, NOW, folder(files))
    assert report.added == 6
    reasons = reasons_of(report)
    assert reasons.keys() == {f"a/{name}" for name in BAD}
    for name, (_, reason) in BAD.items():
        assert reason in reasons[f"a/{name}"], name
        assert "\n" not in reasons[f"a/{name}"]


def test_links_that_lead_outside_and_hidden_folders_are_refused(
    project: Project, folder: Maker, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(picture(5)))
    (tmp_path / "elsewhere").mkdir()
    directory = folder({"a/good.png": picture(1), ".git/x.png": picture(2)})
    (directory / "a" / "link.png").symlink_to(tmp_path / "secret.png")
    (directory / "a" / "up.png").symlink_to("../../secret.png")
    (directory / "b").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(directory / "a" / "pipe.png")
    report = import_image_folder(project, NOW, directory)
    assert report.added == 1
    assert reasons_of(report) == {
        ".git": "hidden",
        "a/link.png": "a link that leads outside the folder",
        "a/up.png": "a link that leads outside the folder",
        "b": "a link that leads outside the folder",
        "a/pipe.png": "not a file that can be read",
    }


def test_a_name_that_is_not_utf8_is_listed_in_letters_that_can_be_printed(project: Project, folder: Maker) -> None:
    directory = folder({"a/good.png": picture(1)})
    Path(os.fsdecode(os.fsencode(directory / "a") + b"/caf\xe9.png")).write_bytes(encoded(picture(2)))
    report = import_image_folder(project, NOW, directory)
    assert report.added == 1
    assert reasons_of(report) == {"a/caf\\udce9.png": "its name is not UTF-8"}
