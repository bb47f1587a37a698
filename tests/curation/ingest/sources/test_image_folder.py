"""Of a folder everything readable is imported exactly, and everything else is one refusal."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder as import_any
from curation.project import Project
from curation.tables.images import Image, Subject
from tests.rows import NOW, picture


def import_image_folder(
    project: Project, now: datetime, path: Path, subject_pattern: str | None = None
) -> ImportReport:
    """Import with the names as they are published, so that tests can look them up."""
    return import_any(project, now, path, request=ImportRequest(public_subjects=True, subject_pattern=subject_pattern))


Maker = Callable[[dict[str, bytes | Pixels]], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Maker:
    """Makes a directory of files: bytes as they are, arrays in the format of the file's name."""

    def make(files: dict[str, bytes | Pixels]) -> Path:
        for name, content in files.items():
            path = tmp_path / "cells" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else _encoded(content, path.suffix))
        return tmp_path / "cells"

    return make


def _encoded(pixels: Pixels, suffix: str = ".png", **options: object) -> bytes:
    plane = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    buffer = io.BytesIO()
    PillowImage.fromarray(plane).save(buffer, {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, "PNG"), **options)
    return buffer.getvalue()


def _converted(mode: str, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture(1, channels=3)).convert(mode).save(buffer, file_format)
    return buffer.getvalue()


def _reasons(report: ImportReport) -> dict[str, str]:
    assert len({fault.source_file for fault in report.rejected}) == len(report.rejected)
    return {fault.source_file: str(fault).removeprefix(f"{fault.source_file}: ") for fault in report.rejected}


def _stored(project: Project) -> dict[str, Pixels]:
    with project.database.read() as session:
        return {
            str(image.source_file): project.store.pixels(image.file_sha256) for image in session.scalars(select(Image))
        }


def _subjects(project: Project) -> dict[str, tuple[str, str]]:
    with project.database.read() as session:
        images = session.scalars(select(Image)).all()
        return {str(i.source_file): (i.subject.key, i.subject.split) for i in images if i.subject}


def test_the_folders_are_the_labels_and_a_deeper_folder_changes_nothing(project: Project, folder: Maker) -> None:
    files = {f"{label}/{n}.png": picture(n + 50 * (label == "WBC")) for label in ("RBC", "WBC") for n in range(10)}
    files["WBC/ward 3/late.png"] = picture(99)
    report = import_image_folder(project, NOW, folder(files))
    assert report.added == 21
    totals = {label: sum(counts.get(label, 0) for counts in report.counts.values()) for label in ("RBC", "WBC")}
    assert totals == {"RBC": 10, "WBC": 11}
    assert {name: pixels.tolist() for name, pixels in _stored(project).items()} == {
        name: pixels.tolist() for name, pixels in files.items()
    }


@pytest.mark.parametrize(
    ("suffix", "pixels"),
    [
        (".png", picture(1)),
        (".png", picture(1, channels=3)),
        (".png", picture(1).astype(np.uint16) * 257),
        (".tif", picture(1)),
        (".tif", picture(1, channels=3)),
        (".tif", picture(1).astype(np.uint16) * 257),
    ],
    ids=["png-8", "png-rgb", "png-16", "tiff-8", "tiff-rgb", "tiff-16"],
)
def test_a_lossless_file_is_stored_value_for_value(
    project: Project, folder: Maker, suffix: str, pixels: Pixels
) -> None:
    import_image_folder(project, NOW, folder({f"a/one{suffix}": pixels}))
    [stored] = _stored(project).values()
    assert stored.dtype == pixels.dtype
    assert np.array_equal(stored, pixels)


def test_a_big_endian_16_bit_tiff_keeps_its_values(project: Project, folder: Maker) -> None:
    values = (picture(1).astype(np.uint16) * 257)[:, :, 0]
    buffer = io.BytesIO()
    PillowImage.fromarray(values.astype(">u2")).save(buffer, "TIFF")
    import_image_folder(project, NOW, folder({"a/one.tif": buffer.getvalue()}))
    [stored] = _stored(project).values()
    assert np.array_equal(stored[:, :, 0], values)


def test_a_jpeg_stands_upright_as_its_exif_orientation_says(project: Project, folder: Maker) -> None:
    lying = np.zeros((8, 16), np.uint8)
    lying[:, :8] = 255
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to see it upright
    import_image_folder(project, NOW, folder({"a/one.jpg": _encoded(lying, ".jpg", exif=exif)}))
    [stored] = _stored(project).values()
    assert stored.shape == (16, 8, 1)
    assert stored[:8].mean() > 250 > 5 > stored[8:].mean()


def _png(depth: int, colour: int, row: bytes, *before: tuple[bytes, bytes]) -> bytes:
    """A PNG of 2 rows that are alike, written by hand: Pillow writes only what it can hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    width = len(row) * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 2, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress((b"\0" + row) * 2)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*arguments) for arguments in before) + body


def _deep_png(colour: int, samples_bytes: int) -> bytes:
    return _png(16, colour, bytes(range(4 * samples_bytes)))


def _palette_png(colours: int, clear: int | None = None) -> bytes:
    """Pixels 0 to 6 of a palette in which colour n is (n, 2n, 3n); `clear` is one that is half transparent."""
    entries = bytes(value for n in range(colours) for value in (n, 2 * n, 3 * n))
    before = [(b"PLTE", entries)] if colours else []
    if clear is not None:
        before.append((b"tRNS", bytes(128 if n == clear else 255 for n in range(colours))))
    return _png(8, 3, bytes(range(7)), *before)


def _transparent(mode: str, alpha: int = 254, file_format: str = "PNG") -> bytes:
    """A picture of which one pixel has this alpha."""
    image = PillowImage.fromarray(picture(1, channels=3)).convert(mode)
    values = np.array(image)
    values[3, 5, -1] = alpha
    buffer = io.BytesIO()
    PillowImage.fromarray(values, mode).save(buffer, file_format)
    return buffer.getvalue()


def _bomb() -> bytes:
    """A few hundred bytes that claim to be 30,000 by 30,000 pixels."""
    small = _encoded(picture(1))
    body = struct.pack(">II", 30_000, 30_000) + small[24:29]
    return small[:16] + body + struct.pack(">I", zlib.crc32(b"IHDR" + body)) + small[33:]


def _two_pages() -> bytes:
    pages = [PillowImage.fromarray(picture(n)[:, :, 0]) for n in range(2)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


BAD = {
    "truncated.png": (_encoded(picture(7))[:200], "unreadable: "),
    "truncated.jpg": (_encoded(picture(7), ".jpg")[:-60], "unreadable: "),
    "flipped.png": (_encoded(picture(8))[:60] + b"\xff" + _encoded(picture(8))[61:], "unreadable: "),
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"see the other folder\n", "not a PNG, JPEG or TIFF file, despite its name"),
    "gif.png": (_converted("P", "GIF"), "not a PNG, JPEG or TIFF file, despite its name"),
    "bomb.png": (_bomb(), "refused as a decompression bomb"),
    "transparent.png": (_transparent("RGBA"), "its transparency hides part of it. Flatten it onto its background"),
    "transparent-gray.png": (_transparent("LA"), "its transparency hides part of it. Flatten it onto its background"),
    "transparent-palette.png": (_palette_png(7, clear=3), "its transparency hides part of it. Flatten it"),
    "short-palette.png": (_palette_png(5), "its palette has 5 colours, and a pixel is of number 6"),
    "no-palette.png": (_palette_png(0), "a palette picture without its palette"),
    "deep-transparent.png": (_deep_png(4, 4), "16 bit with transparency. Save it as"),
    "cmyk.jpg": (_converted("CMYK", "JPEG"), "a CMYK picture. Save it as"),
    "float.tif": (_converted("F", "TIFF"), "floating-point values. Save it as"),
    "integers.tif": (_converted("I", "TIFF"), "32 bit integers. Save it as"),
    "deep-color.png": (_deep_png(2, 6), "16 bit RGB. Save it as"),
    "pages.tif": (_two_pages(), "2 pictures in one file"),
    "notes.txt": (b"hello", "not one of .png, .jpg, .jpeg, .tif, .tiff"),
    ".hidden.png": (_encoded(picture(9)), "hidden"),
    "small.png": (_encoded(picture(3, size=8)), "expected 16x16 gray, 8 bit as most files here, got 8x8 gray, 8 bit"),
    "color.png": (_encoded(picture(3, channels=3)), "as most files here, got 16x16 RGB, 8 bit"),
}


@pytest.mark.slow
def test_every_kind_of_bad_file_is_one_line_and_the_good_ones_come_in(project: Project, folder: Maker) -> None:
    files: dict[str, bytes | Pixels] = {f"a/{name}": content for name, (content, _) in BAD.items()}
    files |= {f"a/good-{n}.png": picture(n + 100) for n in range(6)}
    report = import_image_folder(project, NOW, folder(files))
    assert report.added == 6
    reasons = _reasons(report)
    assert reasons.keys() == {f"a/{name}" for name in BAD}
    for name, (_, reason) in BAD.items():
        assert reason in reasons[f"a/{name}"], name
        assert "\n" not in reasons[f"a/{name}"]


def test_links_that_lead_outside_and_hidden_folders_are_refused(
    project: Project, folder: Maker, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(_encoded(picture(5)))
    (tmp_path / "elsewhere").mkdir()
    directory = folder({"a/good.png": picture(1), ".git/x.png": picture(2)})
    (directory / "a" / "link.png").symlink_to(tmp_path / "secret.png")
    (directory / "a" / "up.png").symlink_to("../../secret.png")
    (directory / "b").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(directory / "a" / "pipe.png")
    report = import_image_folder(project, NOW, directory)
    assert report.added == 1
    assert _reasons(report) == {
        ".git": "hidden",
        "a/link.png": "a link that leads outside the folder",
        "a/up.png": "a link that leads outside the folder",
        "b": "a link that leads outside the folder",
        "a/pipe.png": "not a file that can be read",
    }


def test_a_name_that_is_not_utf8_is_listed_in_letters_that_can_be_printed(project: Project, folder: Maker) -> None:
    directory = folder({"a/good.png": picture(1)})
    Path(os.fsdecode(os.fsencode(directory / "a") + b"/caf\xe9.png")).write_bytes(_encoded(picture(2)))
    report = import_image_folder(project, NOW, directory)
    assert report.added == 1
    assert _reasons(report) == {"a/caf\\udce9.png": "its name is not UTF-8"}


def test_the_subject_comes_from_the_name_and_stands_in_one_split(project: Project, folder: Maker) -> None:
    files = {f"{label}/p{n:02d}_{label}.png": picture(n + 100 * (label == "b")) for label in "ab" for n in range(30)}
    report = import_image_folder(project, NOW, folder({**files, "a/odd.png": picture(999)}), subject_pattern=r"(p\d+)_")
    assert report.added == 60
    assert report.subjects_known
    assert "finds nothing in its name" in _reasons(report)["a/odd.png"]
    subjects = _subjects(project)
    assert subjects["a/p07_a.png"] == subjects["b/p07_b.png"]
    assert report.subjects == {"train": 18, "validation": 5, "test": 4, "reserve": 3}


@pytest.mark.parametrize("pattern", ["(unclosed", "no group", "(two)(groups)"])
def test_a_subject_pattern_that_cannot_work_is_refused_whole(project: Project, folder: Maker, pattern: str) -> None:
    with pytest.raises(BadInput, match="subject pattern"):
        import_image_folder(project, NOW, folder({"a/x.png": picture(1)}), subject_pattern=pattern)


def test_folders_named_for_splits_hold_the_classes(project: Project, folder: Maker) -> None:
    names = [f"{split}/{label}/one.png" for split in ("train", "val", "test") for label in "ab"]
    files: dict[str, bytes | Pixels] = {name: picture(number) for number, name in enumerate(names)}
    report = import_image_folder(project, NOW, folder(files))
    assert report.counts == {split: {"a": 1, "b": 1} for split in ("train", "validation", "test")}


def test_the_table_gives_labels_subjects_and_splits_and_contradictions_are_listed(
    project: Project, folder: Maker
) -> None:
    table = (
        "file,label,subject,split\n"
        "a/1.png,a,p1,train\n"
        "a/2.png,b,p2,train\n"
        "a/3.png,,p3,test\n"
        "b/4.png,b,,\n"
        "5.png,b,p5,reserve\n"
        "6.png,c,p6,train\n"
        "7.png,,p7,train\n"
        "b/8.png,b,p8,tests\n"
        "b/9.png,b,p9,train\n"
        "b/9.png,b,p9,test\n"
        "b/gone.png,b,p10,train\n"
        "../out.png,b,p11,train\n"
        "/etc/passwd.png,b,p12,train\n"
    )
    names = ("a/1.png", "a/2.png", "a/3.png", "b/4.png", "5.png", "6.png", "7.png", "b/8.png", "b/9.png")
    files: dict[str, bytes | Pixels] = {name: picture(number) for number, name in enumerate(names)}
    report = import_image_folder(project, NOW, folder({**files, "metadata.csv": table.encode("utf-8-sig")}))
    assert _reasons(report) == {
        "a/2.png": "its folder says 'a', metadata.csv says 'b'",
        "6.png": "the label 'c' is none of the class folders a, b",
        "7.png": "no label: it is in no class folder, and no table gives one. See --label-from and --label",
        "b/8.png": "expected a split of train, validation, test or reserve, got 'tests'",
        "b/9.png": "named twice in metadata.csv",
        "b/gone.png": "named in metadata.csv, but not among the pictures",
        "../out.png": "metadata.csv must name files below the folder, with / between the parts",
        "/etc/passwd.png": "metadata.csv must name files below the folder, with / between the parts",
    }
    subjects = _subjects(project)
    assert {name: subjects[name] for name in ("a/1.png", "a/3.png", "5.png")} == {
        "a/1.png": ("p1", "train"),
        "a/3.png": ("p3", "test"),
        "5.png": ("p5", "reserve"),
    }
    with project.database.read() as session:
        known = {key: known for key, known in session.execute(select(Subject.key, Subject.known))}
    assert known.pop(subjects["b/4.png"][0]) is False
    assert all(known.values())


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("name,label\nx,y\n", "expected the columns file"),
        ("file,spilt\nx,train\n", "got file, spilt"),
        ("file,label\na/x.png,a,b,c\n", "line 2: expected 2 fields"),
        ("file,label\na/x.png\n", "line 2: expected 2 fields"),
        ("", "expected the columns file"),
        (b"file,label\n\xff\xfe,a\n", "UTF-8"),
        ('file,label\n"a/x.png,a\n', "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_whole(
    project: Project, folder: Maker, table: str | bytes, reason: str
) -> None:
    content = table if isinstance(table, bytes) else table.encode()
    with pytest.raises(BadInput, match=reason):
        import_image_folder(project, NOW, folder({"a/x.png": picture(1), "metadata.csv": content}))
    assert _stored(project) == {}


def test_the_same_directory_twice_adds_nothing_and_with_a_new_file_only_that(project: Project, folder: Maker) -> None:
    directory = folder({f"a/{n}.png": picture(n) for n in range(8)})
    assert import_image_folder(project, NOW, directory).added == 8
    assert import_image_folder(project, NOW, directory).repeated
    report = import_image_folder(project, NOW, directory, subject_pattern=r"(\d)\.png")
    assert (report.added, report.already) == (0, 8)
    assert "never changes a subject" in report.notes[0]
    report = import_image_folder(project, NOW, folder({"a/new.png": picture(50)}))
    assert (report.added, report.already) == (1, 8)


def test_a_directory_without_pictures_says_what_was_expected(project: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="one folder per class"):
        import_image_folder(project, NOW, tmp_path / "empty")
    with pytest.raises(BadInput, match="is not a directory"):
        import_image_folder(project, NOW, tmp_path / "absent")
