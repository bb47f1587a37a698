"""Of a folder everything readable is imported exactly, and everything else is one refusal."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.project import Project
from curation.tables.images import Subject
from tests.curation.ingest.sources.folders import (
    Maker,
    encoded,
    import_image_folder,
    pixels_of,
    reasons_of,
    subjects_of,
)
from tests.rows import NOW, picture


def test_the_folders_are_the_labels_and_a_deeper_folder_changes_nothing(project: Project, folder: Maker) -> None:
    files = {f"{label}/{n}.png": picture(n + 50 * (label == "WBC")) for label in ("RBC", "WBC") for n in range(10)}
    files["WBC/ward 3/late.png"] = picture(99)
    report = import_image_folder(project, NOW, folder(files))
    assert report.added == 21
    totals = {label: sum(counts.get(label, 0) for counts in report.counts.values()) for label in ("RBC", "WBC")}
    assert totals == {"RBC": 10, "WBC": 11}
    assert {name: pixels.tolist() for name, pixels in pixels_of(project).items()} == {
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
    [stored] = pixels_of(project).values()
    assert stored.dtype == pixels.dtype
    assert np.array_equal(stored, pixels)


def test_a_big_endian_16_bit_tiff_keeps_its_values(project: Project, folder: Maker) -> None:
    values = (picture(1).astype(np.uint16) * 257)[:, :, 0]
    buffer = io.BytesIO()
    PillowImage.fromarray(values.astype(">u2")).save(buffer, "TIFF")
    import_image_folder(project, NOW, folder({"a/one.tif": buffer.getvalue()}))
    [stored] = pixels_of(project).values()
    assert np.array_equal(stored[:, :, 0], values)


def test_a_jpeg_stands_upright_as_its_exif_orientation_says(project: Project, folder: Maker) -> None:
    lying = np.zeros((8, 16), np.uint8)
    lying[:, :8] = 255
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to see it upright
    import_image_folder(project, NOW, folder({"a/one.jpg": encoded(lying, ".jpg", exif=exif)}))
    [stored] = pixels_of(project).values()
    assert stored.shape == (16, 8, 1)
    assert stored[:8].mean() > 250 > 5 > stored[8:].mean()


def test_the_subject_comes_from_the_name_and_stands_in_one_split(project: Project, folder: Maker) -> None:
    files = {f"{label}/p{n:02d}_{label}.png": picture(n + 100 * (label == "b")) for label in "ab" for n in range(30)}
    report = import_image_folder(project, NOW, folder({**files, "a/odd.png": picture(999)}), subject_pattern=r"(p\d+)_")
    assert report.added == 60
    assert report.subjects_known
    assert "finds nothing in its name" in reasons_of(report)["a/odd.png"]
    subjects = subjects_of(project)
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
    assert reasons_of(report) == {
        "a/2.png": "its folder says 'a', metadata.csv says 'b'",
        "6.png": "the label 'c' is none of the class folders a, b",
        "7.png": "no label: it is in no class folder, and no table gives one. See --label-from and --label",
        "b/8.png": "expected a split of train, validation, test or reserve, got 'tests'",
        "b/9.png": "named twice in metadata.csv, with different splits",
        "b/gone.png": "named in metadata.csv, but not among the pictures",
        "../out.png": "metadata.csv must name files below the folder, with / between the parts",
        "/etc/passwd.png": "metadata.csv must name files below the folder, with / between the parts",
    }
    subjects = subjects_of(project)
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
        ("", "is empty: expected a first line with the names of the columns"),
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
    assert pixels_of(project) == {}


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
