"""Text that may be burnt in is listed: what the header says, and lines of letters in the pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from curation.ingest.burnt_in import looks_burnt_in
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.ingest.virtual_brains.render import render
from curation.project import Project
from tests.curation.ingest.formats.dicom_samples import changed, sample
from tests.curation.ingest.sources.folders import encoded
from tests.rows import NOW


@pytest.fixture(scope="module")
def slices() -> list[np.ndarray]:
    """Brains without a letter in them."""
    return [render(2_000 + number, 256).pixels for number in range(6)]


def _written(plane: np.ndarray, height: int, fill: int) -> np.ndarray:
    picture = Image.fromarray(plane)
    text = ImageDraw.Draw(picture)
    text.text(
        (6, 6), "MUSTERMANN, E 12.08.1964", fill, ImageFont.load_default(height), stroke_width=1, stroke_fill=255 - fill
    )
    return np.asarray(picture)[:, :, None]


@pytest.mark.parametrize("height", [9, 12, 18])
@pytest.mark.parametrize("fill", [255, 0], ids=["white", "black"])
def test_a_line_of_text_is_found_and_a_slice_without_one_is_not(
    height: int, fill: int, slices: list[np.ndarray]
) -> None:
    assert all(looks_burnt_in(_written(plane, height, fill)) for plane in slices)
    deep = [_written(plane, height, fill).astype(np.uint16) * 40 for plane in slices]
    assert all(looks_burnt_in(plane) for plane in deep)
    assert not any(looks_burnt_in(plane[:, :, None]) for plane in slices)


def test_the_report_lists_headers_that_say_so_and_pictures_that_look_so(
    project: Project, tmp_path: Path, slices: list[np.ndarray]
) -> None:
    def said(dataset: object) -> None:
        dataset.BurnedInAnnotation = "YES"  # type: ignore[attr-defined]

    changed(tmp_path / "set" / "said.dcm", "CT_small.dcm", said, seed=1)
    changed(tmp_path / "set" / "plain.dcm", "CT_small.dcm", seed=2)
    report = import_image_folder(project, NOW, tmp_path / "set", request=ImportRequest(label="x"))
    assert report.added == 2
    assert [(suspect.source_file, suspect.why) for suspect in report.burnt_in] == [
        ("said.dcm", "its header says that text is burnt in")
    ]
    report = import_image_folder(project, NOW, sample("examples_rgb_color.dcm"), request=ImportRequest(label="x"))
    assert [suspect.why for suspect in report.burnt_in] == ["ultrasound, which often shows names"]
    (tmp_path / "shot.png").write_bytes(encoded(_written(slices[0], 12, 255)))
    small = ImportRequest(label="x", size=(64, 64))
    report = import_image_folder(project, NOW, tmp_path / "shot.png", request=small)
    assert [suspect.why for suspect in report.burnt_in] == ["something like a line of text in it"]
