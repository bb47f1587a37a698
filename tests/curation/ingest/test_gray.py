"""Gray pictures saved as RGB become gray where that is asked for; coloured ones never do."""

import io
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image as PillowImage

from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.import_report import ImportReport
from curation.ingest.preparing import GRAY_EXACT, GRAY_NEARLY
from curation.ingest.request import ImportRequest
from curation.ingest.sources.hugging_face import import_hugging_face
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from tests.curation.ingest.sources.folders import encoded, pixels_of
from tests.rows import NOW, picture

HINT = "If the RGB ones show only gray, --gray brings them to it"


def _as_rgb(number: int) -> Pixels:
    return np.repeat(picture(number), 3, axis=2)


def _jpeg(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture
def chests(tmp_path: Path) -> Path:
    """Gray PNG, the same kind saved as RGB in PNG and JPEG, a faintly tinted one, and one with a coloured arrow."""
    tinted, arrow = _as_rgb(20).clip(0, 247), _as_rgb(21)
    tinted[3, 4] += np.array([8, 3, 0], np.uint8)
    arrow[3, 4] = (209, 200, 200)
    files = {f"gray-{n}.png": encoded(picture(n)) for n in range(6)}
    files |= {"rgb.png": encoded(_as_rgb(10)), "rgb.jpg": _jpeg(_as_rgb(11))}
    files |= {"tinted.png": encoded(tinted), "arrow.png": encoded(arrow)}
    (tmp_path / "chests" / "a").mkdir(parents=True)
    for name, content in files.items():
        (tmp_path / "chests" / "a" / name).write_bytes(content)
    return tmp_path / "chests"


def _import(project: Project, path: Path, gray: bool) -> ImportReport:
    return import_image_folder(project, NOW, path, request=ImportRequest(public_subjects=True, gray=gray))


def test_without_the_option_rgb_among_gray_is_left_out_and_the_reason_names_the_option(
    project: Project, chests: Path
) -> None:
    report = _import(project, chests, gray=False)
    assert report.added == 6
    assert {fault.source_file for fault in report.rejected} == {
        f"a/{name}" for name in ("rgb.png", "rgb.jpg", "tinted.png", "arrow.png")
    }
    for fault in report.rejected:
        assert fault.reason == f"expected 16x16 gray, 8 bit as most files here, got 16x16 RGB, 8 bit. {HINT}"


def test_with_it_equal_channels_are_exact_a_tint_is_counted_apart_and_colour_is_left_out(
    project: Project, chests: Path
) -> None:
    report = _import(project, chests, gray=True)
    [fault] = report.rejected
    assert (fault.source_file, report.added) == ("a/arrow.png", 9)
    assert fault.reason == "coloured: a pixel's channels differ by 9 of 255, and gray has at most 8"
    assert report.notes[:2] == [f"1 pictures: {GRAY_NEARLY}", f"2 pictures: {GRAY_EXACT}"]
    assert report.options["gray"] is True
    stored = pixels_of(project)
    assert np.array_equal(stored["a/rgb.png"], picture(10))
    of_jpeg = np.array(PillowImage.open(chests / "a" / "rgb.jpg"))
    assert np.array_equal(stored["a/rgb.jpg"], of_jpeg[:, :, :1])
    tinted = np.array(PillowImage.open(chests / "a" / "tinted.png").convert("L"))
    assert np.array_equal(stored["a/tinted.png"][:, :, 0], tinted)


def test_where_most_are_rgb_the_few_gray_ones_come_in_with_them(project: Project, tmp_path: Path) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "set" / "a" / f"{number}.png").write_bytes(encoded(_as_rgb(number)))
    (tmp_path / "set" / "a" / "gray.png").write_bytes(encoded(picture(9)))
    deep = tmp_path / "set" / "a" / "sixteen.png"
    deep.write_bytes(encoded(picture(8).astype(np.uint16) * 257))
    faults = import_image_folder(project, NOW, tmp_path / "set", dry_run=True).rejected
    expected = "expected 16x16 RGB, 8 bit as most files here, got 16x16 gray, "
    assert [fault.reason for fault in faults] == [f"{expected}8 bit. {HINT}", f"{expected}16 bit"]
    deep.unlink()
    report = _import(project, tmp_path / "set", gray=True)
    assert (report.added, report.rejected) == (5, [])
    assert {pixels.shape for pixels in pixels_of(project).values()} == {(16, 16, 1)}


def test_a_picture_of_another_size_or_depth_alone_is_told_nothing_of_gray(project: Project, chests: Path) -> None:
    (chests / "a" / "small.png").write_bytes(encoded(picture(3, size=8)))
    (chests / "a" / "deep.png").write_bytes(encoded(picture(4).astype(np.uint16) * 257))
    reasons = {fault.source_file: fault.reason for fault in _import(project, chests, gray=True).rejected}
    assert reasons["a/deep.png"] == "expected 16x16 gray, 8 bit as most files here, got 16x16 gray, 16 bit"
    assert reasons["a/small.png"] == "expected 16x16 gray, 8 bit as most files here, got 8x8 gray, 8 bit"


def test_a_data_set_of_both_kinds_is_told_of_the_option_and_read_with_it(project: Project, tmp_path: Path) -> None:
    pictures = [{"bytes": encoded(pixels), "path": None} for pixels in (picture(1), picture(2), _as_rgb(3))]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = {"image": pictures, "label": ["x"] * 3}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    [fault] = import_hugging_face(project, NOW, tmp_path / "set").rejected
    assert fault.reason.endswith(HINT)
    report = import_hugging_face(project, NOW, tmp_path / "set", request=ImportRequest(gray=True))
    assert (report.added, report.already, report.rejected) == (1, 2, [])
    assert not any(note.startswith("--gray") for note in report.notes)


def test_where_no_image_has_colour_the_option_is_refused_or_said_to_change_nothing(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "files" / "a").mkdir(parents=True)
    (tmp_path / "files" / "a" / "0.png").write_bytes(encoded(picture(0)))
    with pytest.raises(BadInput, match="--gray is for RGB images that show only gray"):
        _import(project, tmp_path / "files", gray=True)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = {"image": [{"bytes": encoded(picture(1)), "path": None}], "label": ["x"]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    report = import_hugging_face(project, NOW, tmp_path / "set", request=ImportRequest(gray=True))
    assert "--gray changed nothing: no new image was RGB" in report.notes
