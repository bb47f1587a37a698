"""Palettes, opaque transparency and few bits are converted exactly, and counted."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.formats.picture_files import decode_picture, probe_picture
from curation.ingest.formats.picture_modes import FEW_BITS, OPAQUE, PALETTE
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.ingest.sources.masks import read_picture_mask
from curation.project import Project
from tests.curation.ingest.sources.folders import converted, encoded, pixels_of
from tests.curation.ingest.sources.test_bad_files import palette_png, png_of, transparent
from tests.rows import NOW, picture

RGB, GRAY = picture(1, channels=3), np.array(PillowImage.fromarray(picture(1, channels=3)).convert("L"))[:, :, None]


def _palette_file(picture: PillowImage.Image, file_format: str) -> tuple[bytes, Pixels]:
    """A file of a palette picture, and the colours that it shows."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format)
    return buffer.getvalue(), np.array(picture.convert("RGB"))


def _in_palette(gray: bool) -> PillowImage.Image:
    if not gray:
        return PillowImage.fromarray(RGB).quantize(64)
    turned = PillowImage.fromarray(255 - GRAY[:, :, 0]).convert("P")
    turned.putpalette([level for n in range(256) for level in [255 - n] * 3])
    return turned


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_palette_becomes_the_colours_that_it_shows(file_format: str) -> None:
    content, shown = _palette_file(_in_palette(gray=False), file_format)
    pixels, notes = decode_picture(content)
    assert np.array_equal(pixels, shown)
    assert (probe_picture(content), notes) == ((16, 16, 3, 8), (PALETTE,))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_palette_of_grays_alone_becomes_gray_as_it_is_seen(file_format: str) -> None:
    content, _ = _palette_file(_in_palette(gray=True), file_format)
    pixels, notes = decode_picture(content)
    assert np.array_equal(pixels, GRAY)
    assert (probe_picture(content), notes) == ((16, 16, 1, 8), (PALETTE,))


@pytest.mark.parametrize(
    ("mode", "file_format", "expected"),
    [("RGBA", "PNG", RGB), ("RGBA", "TIFF", RGB), ("LA", "PNG", GRAY), ("LA", "TIFF", GRAY)],
)
def test_transparency_that_is_opaque_everywhere_is_dropped(mode: str, file_format: str, expected: Pixels) -> None:
    content = transparent(mode, 255, file_format)
    pixels, notes = decode_picture(content)
    assert np.array_equal(pixels, expected)
    assert probe_picture(content) == (*expected.shape, 8)
    assert notes == (OPAQUE,)
    with pytest.raises(BadInput, match="hides part of it"):
        decode_picture(transparent(mode, 254, file_format))


def test_a_transparent_colour_matters_only_where_it_is_used() -> None:
    unused, used = (
        encoded(np.minimum(RGB, 250), transparency=colour) for colour in ((255, 0, 0), tuple(RGB[2, 2].tolist()))
    )
    pixels, notes = decode_picture(unused)
    assert np.array_equal(pixels, np.minimum(RGB, 250))
    assert notes == (OPAQUE,)
    with pytest.raises(BadInput, match="hides part of it"):
        decode_picture(used)
    pixels, notes = decode_picture(palette_png(9, clear=8))
    assert pixels[0].tolist() == [[n, 2 * n, 3 * n] for n in range(7)]
    assert notes == (OPAQUE, PALETTE)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_one_bit_becomes_black_and_white(file_format: str) -> None:
    content = converted("1", file_format)
    pixels, notes = decode_picture(content)
    assert np.array_equal(pixels[:, :, 0], np.where(PillowImage.open(io.BytesIO(content)), 255, 0))
    assert set(np.unique(pixels)) == {0, 255}
    assert (probe_picture(content), notes) == ((16, 16, 1, 8), (FEW_BITS,))


@pytest.mark.parametrize(
    ("depth", "row", "expected"), [(2, b"\x1b", [0, 85, 170, 255]), (4, b"\x0f\x7e", [0, 255, 119, 238])]
)
def test_two_and_four_bits_are_spread_over_eight(depth: int, row: bytes, expected: list[int]) -> None:
    pixels, notes = decode_picture(png_of(depth, 0, row))
    assert pixels[0, :, 0].tolist() == expected
    assert notes == (FEW_BITS,)
    with pytest.raises(BadInput, match="another depth than 8 bit with transparency"):
        decode_picture(png_of(depth, 0, row, (b"tRNS", b"\0\3")))


def test_the_report_counts_what_was_brought_and_it_is_stored_as_it_was_seen(project: Project, tmp_path: Path) -> None:
    (tmp_path / "scans" / "a").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "scans" / "a" / f"{number}.png").write_bytes(encoded(picture(number, channels=3)))
    (tmp_path / "scans" / "a" / "opaque.png").write_bytes(transparent("RGBA", 255))
    (tmp_path / "scans" / "a" / "palette.png").write_bytes(_palette_file(_in_palette(gray=False), "PNG")[0])
    report = import_image_folder(project, NOW, tmp_path / "scans", request=ImportRequest(public_subjects=True))
    assert (report.added, report.rejected) == (5, [])
    assert report.notes[:2] == [f"1 pictures: {OPAQUE}", f"1 pictures: {PALETTE}"]
    assert np.array_equal(pixels_of(project)["a/palette.png"], np.array(_in_palette(gray=False).convert("RGB")))


def test_masks_may_be_of_one_bit_or_of_a_palette_with_black_background(tmp_path: Path) -> None:
    drawn = np.zeros((16, 16), np.uint8)
    drawn[2:5, 3:9] = 1
    PillowImage.fromarray(drawn * 255).convert("1").save(tmp_path / "bit.png")
    indexed = PillowImage.fromarray(drawn).convert("P")
    indexed.putpalette([0, 0, 0, 128, 0, 0])
    indexed.save(tmp_path / "palette.png")
    for name in ("bit.png", "palette.png"):
        assert np.array_equal(read_picture_mask(tmp_path / name, (16, 16, 1)), drawn)
