"""A DICOM file without its head is imported and counted; a file that only looks like one is not."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from sqlalchemy import select

from curation.ingest.formats.dicom_preamble import BARE, begins_as_dicom
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image
from tests.curation.ingest.formats.dicom_samples import sample
from tests.rows import NOW, stored

GRAY = ("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm")  # each byte order and way to write


def _without_preamble(content: bytes) -> bytes:
    return content[132:]


def _without_head(content: bytes) -> bytes:
    return content[144 + int.from_bytes(content[140:144], "little") :]


def _with_preamble_alone(content: bytes) -> bytes:
    return content[:132] + _without_head(content)


def _import(project: Project, path: Path) -> ImportReport:
    return import_image_folder(project, NOW, path, request=ImportRequest(label="any"))


def _lay(path: Path, name: str, cut: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(cut(sample(name).read_bytes()))
    return path


@pytest.mark.parametrize("cut", [_without_preamble, _without_head, _with_preamble_alone])
@pytest.mark.parametrize("name", GRAY)
def test_a_file_without_its_head_gives_the_picture_of_the_whole_file(
    project: Project, tmp_path: Path, name: str, cut: Callable[[bytes], bytes]
) -> None:
    assert _import(project, sample(name)).added == 1
    report = _import(project, _lay(tmp_path / "IM0001", name, cut))
    assert (report.added, report.already, report.rejected) == (0, 1, [])  # value for value, of the same subject


@pytest.mark.parametrize("name", [*GRAY, "SC_rgb_jpeg_gdcm.dcm", "MR_small_RLE.dcm", "JPGExtended.dcm"])
@pytest.mark.slow
def test_the_report_counts_files_without_a_preamble_compressed_ones_too(
    project: Project, tmp_path: Path, name: str
) -> None:
    report = _import(project, _lay(tmp_path / "IM0001", name, _without_preamble))
    assert (report.added, report.rejected) == (1, [])
    assert f"1 pictures: {BARE}" in report.notes


def test_frames_of_a_bare_file_come_one_after_the_other(project: Project, tmp_path: Path) -> None:
    """Two frames, uncompressed, of which the bare file says neither syntax nor class in a head."""
    frames = np.random.default_rng(1).integers(0, 900, (2, 64, 64)).astype("<u2")

    def two(content: bytes) -> bytes:
        dataset = dcmread(BytesIO(content))
        dataset.NumberOfFrames, dataset.PixelRepresentation, dataset.PixelData = 2, 0, frames.tobytes()
        buffer = BytesIO()
        dataset.save_as(buffer)
        return _without_head(buffer.getvalue())

    assert _import(project, _lay(tmp_path / "two.dcm", "MR_small_implicit.dcm", two)).added == 2
    with project.database.read() as session:
        images = session.scalars(select(Image).order_by(Image.frame)).all()
    assert [image.frame for image in images] == [0, 1]
    assert np.array_equal([project.store.pixels(image.file_sha256)[:, :, 0] for image in images], frames)


@pytest.mark.parametrize(
    ("name", "cut", "reason"),
    [
        ("SC_rgb_jpeg_gdcm.dcm", _without_head, "its pixels are compressed, and no transfer syntax says how"),
        ("MR_small_RLE.dcm", _with_preamble_alone, "its pixels are compressed, and no transfer syntax says how"),
        ("image_dfl.dcm", _without_preamble, "a deflated DICOM file without the preamble of Part 10"),
        ("image_dfl.dcm", _without_head, "not a DICOM file: no DICM after 128 bytes, and no data set"),
        ("CT_small.dcm", lambda content: _without_head(content)[:30_000], "bytes of pixels, the file has"),
        ("CT_small.dcm", lambda content: _without_head(content)[:900], "a DICOM file without a picture"),
        ("CT_small.dcm", lambda content: b"\x08\0\5\0CS\n\0ISO_IR 100" + bytes(900), "no SOP class"),
    ],
)
def test_a_file_that_cannot_be_read_without_its_head_is_one_line(
    project: Project, tmp_path: Path, name: str, cut: Callable[[bytes], bytes], reason: str
) -> None:
    [fault] = _import(project, _lay(tmp_path / "a.dcm", name, cut)).rejected
    assert reason in fault.reason
    assert stored(project) == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\0\x05",
        b"\x08\0\x05\0XYZW12345678",  # neither a value representation nor a length
        b"\x08\0\x18\x20UI\x10\0" + bytes(16),  # group 0008, but no element that stands first
        b"\x02\0\0\0\4\0\0\0\1\0\0\0",  # meta information is always explicit
        b"\0\x08\0\x16ab\0\4" + bytes(16),
        b"BM\x08\0" + bytes(100),
        b"name,label\na.dcm,x\n",
    ],
)
def test_what_only_looks_a_little_like_a_data_set_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not begins_as_dicom(tmp_path / "file")
