"""A worklist of 16 bit images opens at the window of the files that were imported."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, expect
from pydicom import dcmread
from pydicom.dataset import FileDataset

from curation.image_store import Pixels
from curation.ingest.request import NO_REQUEST
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from tests.builders import CLASSES, add_candidates
from tests.curation.ingest.formats.dicom_samples import changed
from tests.e2e.conftest import Room, shown_key, sign_in_anywhere
from tests.e2e.test_pixels import painted, stored
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW

pytestmark = pytest.mark.e2e

SIZE = 128
CENTER, WIDTH = 40 + 32_768, 400  # soft tissue as CT is stored: Hounsfield units + 32,768


@pytest.fixture
def scans(tmp_path: Path, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A running server over a project of its own: the scans are real training images, which others do not expect."""
    project = make_project(tmp_path / "scans")
    server = ReviewServer(project.root)
    server.start()
    yield Room(server, project, 1)
    server.stop()
    project.database.dispose()


def _scan(columns: int) -> Callable[[FileDataset], None]:
    """The sample, moved sideways, with a window of its own."""

    def change(dataset: FileDataset) -> None:
        dataset.PixelData = np.roll(dataset.pixel_array, columns, axis=1).tobytes()
        dataset.WindowCenter, dataset.WindowWidth = 40, 400
        dataset.PatientID, dataset.PixelSpacing = f"P{columns}", [3, 3]

    return change


def _drawn(path: Path, count: int) -> list[Pixels]:
    """Candidates as a generator of 16 bit would draw them: stored values of a scan with noise."""
    values = dcmread(path).pixel_array.astype(np.int32) + 32_768
    random = np.random.default_rng(5)
    return [
        np.clip(np.roll(values, n, axis=0) + random.normal(0, 8, values.shape), 0, 65_535).astype(np.uint16)[:, :, None]
        for n in range(1, count + 1)
    ]


def test_sixteen_bit_images_open_at_the_window_they_were_imported_with(
    scans: Room, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    for number in range(9):
        split = "train" if number < 5 else "val"
        changed(tmp_path / "ct" / split / CLASSES[0] / f"{number}.dcm", "CT_small.dcm", _scan(3 * number))
    assert import_image_folder(scans.project, NOW, tmp_path / "ct", request=NO_REQUEST).added == 9
    pictures = _drawn(tmp_path / "ct" / "train" / CLASSES[0] / "0.dcm", 4)
    with scans.project.database.write() as session:
        batch = add_candidates(scans.project, session, pictures, [CLASSES[0]] * 4, name="scans of 16 bit")
    scans.worklist(batches=(batch.id,), real_controls=4, modality="ct", grid=False)
    page = new_context().new_page()
    sign_in_anywhere(page, scans, scans.reader())
    page.wait_for_selector(".room[data-state=reading]")
    expect(page.get_by_text(f"W {WIDTH}  L {CENTER}  As imported")).to_be_visible()
    page.keyboard.press("f")
    seen = set()
    for _ in range(8):
        key = shown_key(page)
        seen.add(key)
        values = stored(scans, key).astype(float)
        expected = np.clip((values - (CENTER - WIDTH / 2)) / WIDTH * 255, 0, 255)
        assert np.abs(painted(page, SIZE) - expected).max() <= 0.51
        page.screenshot(path=tmp_path / f"opened-{len(seen)}.png")
        page.keyboard.press("a")
        if len(seen) < 8:
            expect(page.locator(f".room[data-shown='{key}']")).to_have_count(0)
    assert len(seen) == 8
