"""Damaged and hostile files are imported or refused one by one, and leave nothing behind.

A thousand files under ROUNDS_SOAK=1, some sixty otherwise; ROUNDS_SOAK_SEED draws others.
"""

import gzip
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import datasets
import nibabel
import numpy as np
import pytest
from sqlalchemy import select

from curation.errors import BadInput
from curation.ingest.request import ImportRequest
from curation.ingest.sources.hugging_face import import_hugging_face, is_hugging_face
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image, Import, Mask
from tests.curation.ingest.formats.dicom_samples import sample
from tests.curation.ingest.sources.folders import converted, encoded
from tests.rows import NOW, picture, stored, unfinished
from tests.soak_record import record_soak

pytestmark = pytest.mark.soak

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
SEED = int(os.environ.get("ROUNDS_SOAK_SEED", "20261125"))
COUNT, FOLDERS = (1_000, 20) if SOAK else (60, 3)
NIFTI = Path(nibabel.__file__).parent / "tests" / "data"

Damage = Callable[[random.Random, bytes], bytes]


def _originals() -> list[tuple[str, bytes]]:
    """Real files of each kind: suffix and content."""
    dicom = [
        "CT_small",
        "MR_small_RLE",
        "693_J2KI",
        "SC_rgb_jpeg_gdcm",
        "SC_rgb_jpeg_dcmtk",
        "JPGExtended",
        "MR_small_jpeg_ls_lossless",
    ]
    dicom += ["image_dfl", "JPEGLSNearLossless_08", "MR_small_jp2klossless", "SC_rgb_rle_2frame", "rtdose", "reportsi"]
    files = [(".dcm", sample(f"{name}.dcm").read_bytes()) for name in dicom]
    for name in ("CT_small", "MR_small_implicit", "MR_small_bigendian"):
        whole = sample(f"{name}.dcm").read_bytes()
        files += [("", whole[132:]), ("", whole[144 + int.from_bytes(whole[140:144], "little") :])]
    files += [(".nii", (NIFTI / "anatomical.nii").read_bytes()), (".nii.gz", (NIFTI / "standard.nii.gz").read_bytes())]
    deep = picture(1).astype(np.uint16) * 257
    files += [(".png", encoded(picture(1))), (".png", encoded(deep)), (".tif", encoded(deep, ".tif"))]
    files += [(".png", converted("P")), (".png", converted("RGBA")), (".tif", converted("1", "TIFF"))]
    files += [(".tif", encoded(picture(1, channels=3), ".tif")), (".jpg", encoded(picture(1, channels=3), ".jpg"))]
    return files


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    reach = rng.choice([len(changed), min(len(changed), 600)])
    for _ in range(rng.choice([1, 4, 40])):
        changed[rng.randrange(reach)] = rng.randrange(256)
    return bytes(changed)


def _absurd(rng: random.Random, content: bytes) -> bytes:
    """Two or four bytes that may be a size become the largest, the least, or none."""
    changed = bytearray(content)
    size = rng.choice([2, 4])
    at = rng.randrange(min(len(changed), rng.choice([400, len(changed)])) - size)
    changed[at : at + size] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"])[:size]
    return bytes(changed)


def _graft(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.choice([1, 50, 5_000])) + content[at:]


def _nothing(_: random.Random, __: bytes) -> bytes:
    return b""


def _zipped(rng: random.Random, content: bytes) -> bytes:
    return gzip.compress(content + bytes(rng.choice([0, 1 << 20])))


DAMAGES: list[Damage] = [_cut, _flip, _flip, _flip, _absurd, _absurd, _absurd, _graft, _nothing, _zipped]


def _folder(root: Path, rng: random.Random, count: int) -> list[str]:
    """`count` damaged files, some under each other's names, beside four good ones; returns the damaged."""
    originals = _originals()
    names = []
    for number in range(count):
        suffix, content = rng.choice(originals)
        if rng.random() < 0.1:
            suffix = rng.choice(originals)[0]
        damage = rng.choice(DAMAGES)
        name = f"{damage.__name__}_{number}{suffix}"
        (root / name).write_bytes(damage(rng, content))
        names.append(name)
    for number in range(4):
        (root / f"good_{number}.png").write_bytes(encoded(picture(100 + number)))
    return names


def digests_of_rows(project: Project) -> set[str]:
    with project.database.read() as session:
        return {*session.scalars(select(Image.file_sha256)), *session.scalars(select(Mask.file_sha256))}


@pytest.mark.slow
def test_damaged_files_end_in_one_line_each_and_leave_nothing(
    make_project: Callable[[Path], Project], tmp_path: Path
) -> None:
    began, came, faults = time.monotonic(), 0, Counter[str]()
    for turn in range(FOLDERS):
        rng = random.Random(f"{SEED}:{turn}")
        source, root = tmp_path / f"files-{turn}", tmp_path / f"project-{turn}"
        source.mkdir()
        root.mkdir()
        names = _folder(source, rng, COUNT // FOLDERS)
        project = make_project(root)
        report = import_image_folder(project, NOW, source, request=ImportRequest(label="x", size=(32, 32)))
        lines = Counter(fault.source_file.partition("#")[0] for fault in report.rejected)
        assert max(lines.values()) <= 2  # blank slices of a volume, and the reason for the others
        with project.database.read() as session:
            images = session.scalars(select(Image)).all()
            assert len(images) == report.added
        listed = {*lines, *(duplicate.source_file.partition("#")[0] for duplicate in report.duplicates)}
        came += len(set(names) - listed)
        faults.update(fault.reason for fault in report.rejected)
        assert all("\n" not in str(fault) and fault.reason for fault in report.rejected)
        assert stored(project) == digests_of_rows(project)
        assert unfinished(project) == []
        for image in images:
            assert project.store.pixels(image.file_sha256).shape == (32, 32, image.channels)
        project.database.dispose()
    assert sum(faults.values()) > COUNT / 3
    if SOAK:
        counts = f"{COUNT} files, {came} came in, {len(faults)} different reasons"
        record_soak("fuzzed files imported", counts, "-", 0, 0, 0, time.monotonic() - began)


def _link_out(root: Path) -> None:
    (root.parent / "outside.png").write_bytes(encoded(picture(9)))
    (root / "img.png").symlink_to(root.parent / "outside.png")


def _link_ring(root: Path) -> None:
    (root / "a.png").symlink_to(root / "b.png")
    (root / "b.png").symlink_to(root / "a.png")


def _device(root: Path) -> None:
    (root / "zero.png").symlink_to("/dev/zero")


def _bomb(root: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((30_000, 30_000, 3_000))
    header["vox_offset"], header["magic"], header["pixdim"][1:4] = 352, b"n+1", 1
    (root / "bomb.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(1 << 20)))


def _not_numbers(root: Path) -> None:
    values = np.ones((8, 8, 8), np.float32)
    values[3, 3, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), root / "nan.nii")


def _absurd_spacing(root: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((8, 8, 8))
    header["vox_offset"], header["magic"], header["pixdim"][1:4] = 352, b"n+1", np.nan
    (root / "flat.nii").write_bytes(header.binaryblock + bytes(4) + random.Random(0).randbytes(1024))


@pytest.mark.parametrize("lay", [_link_out, _link_ring, _device, _bomb, _not_numbers, _absurd_spacing])
def test_what_leads_elsewhere_or_claims_too_much_is_left_out_in_a_line(
    project: Project, tmp_path: Path, lay: Callable[[Path], None]
) -> None:
    root = tmp_path / "set"
    root.mkdir()
    lay(root)
    (root / "good.png").write_bytes(encoded(picture(1)))
    report = import_image_folder(project, NOW, root, request=ImportRequest(label="x", size=(32, 32)))
    assert report.added == 1
    assert len(report.rejected) == len(list(root.iterdir())) - 1
    assert stored(project) == digests_of_rows(project)


def test_damaged_tables_are_refused_whole_or_by_the_row_and_nothing_changes(project: Project, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    good = b"file,label,patient_id,split\n" + b"".join(b"%d.png,ab,p%d,train\n" % (n, n) for n in range(8))
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(number)))
    hostile = [b"file,label\n../../etc/passwd,x\n", b"file,label\n/etc/passwd,x\n", b"file,label\nC:\\x.png,x\n"]
    hostile += [b"file,label\n" + b"a" * 200_000 + b",x\n", b'file,label\n"x', b"file,label\n\0.png,x\n"]
    for content in [*hostile, *(rng.choice(DAMAGES)(rng, good) for _ in range(COUNT // 3))]:
        (tmp_path / "list.csv").write_bytes(content)
        try:
            report = import_image_folder(project, NOW, tmp_path / "list.csv", dry_run=True)
            lines = [str(fault) for fault in report.rejected]
        except BadInput as error:
            lines = [str(error)]
        assert all("\n" not in line for line in lines)
    with project.database.read() as session:
        assert session.scalars(select(Import)).all() == []
    assert stored(project) == set()


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_damaged_data_sets_are_refused_or_come_in_as_far_as_they_go(
    project: Project, tmp_path: Path, kind: str
) -> None:
    rng = random.Random(SEED)
    columns = {"image": [{"bytes": encoded(picture(n)), "path": None} for n in range(6)], "label": ["a", "b"] * 3}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    whole = datasets.Dataset.from_dict(columns, features=features)
    if kind == "arrow":
        whole.save_to_disk(str(tmp_path / "set"))
    else:
        (tmp_path / "set").mkdir()
        whole.to_parquet(str(tmp_path / "set" / "train.parquet"))
    [file] = (tmp_path / "set").glob(f"*.{kind}")
    good = file.read_bytes()
    for _ in range(COUNT // 3):
        file.write_bytes(rng.choice(DAMAGES)(rng, good))
        try:
            if not is_hugging_face(tmp_path / "set"):
                continue
            report = import_hugging_face(project, NOW, tmp_path / "set", dry_run=True)
            lines = [str(fault) for fault in report.rejected]
        except BadInput as error:
            lines = [str(error)]
        assert all("\n" not in line for line in lines)
    assert stored(project) == set()
