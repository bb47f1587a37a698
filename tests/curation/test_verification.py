"""`rounds verify` finds what was changed, lost or left behind, and changes nothing itself."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select, update

from curation.image_store import encode_png, file_name
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.models.images import Image, Mask, Split
from curation.models.operations import Event
from curation.project import Project
from curation.verification import Verification, verify_project
from tests.rows import NOW, picture


@pytest.fixture
def filled(project: Project) -> Project:
    """A project with six images, one of them with a mask."""
    mask = {"lesion": np.ones((16, 16), np.uint8)}
    items = [
        IncomingImage(f"{n}.png", picture(n), "normal", f"p{n}", Split.TRAIN, masks=mask if n == 5 else {})
        for n in range(6)
    ]
    import_source(project, NOW, Source("six", "six", items, 6))
    return project


def _verify(project: Project, pixels: bool = False) -> Verification:
    return verify_project(project, lambda *_: None, pixels=pixels)


def _file(project: Project, number: int) -> Path:
    with project.database.read() as session:
        digest = session.scalars(select(Image.file_sha256).where(Image.source_file == f"{number}.png")).one()
    return project.root / "store" / file_name(digest)


def test_an_untouched_project_has_no_faults(filled: Project) -> None:
    found = _verify(filled, pixels=True)
    assert (found.files, found.chain.events, found.chain.anchors) == (7, 1, 1)
    assert (found.faults, found.orphans, found.unfinished) == ([], [], [])


def test_a_flipped_bit_and_a_lost_file_are_named_and_not_repaired(filled: Project) -> None:
    flipped, lost = _file(filled, 2), _file(filled, 4)
    content = bytearray(flipped.read_bytes())
    content[-20] ^= 1
    flipped.write_bytes(content)
    lost.unlink()
    found = _verify(filled)
    assert len(found.faults) == 2
    assert any(flipped.name in fault and "its bytes were changed" in fault for fault in found.faults)
    assert any(lost.name in fault and "missing" in fault for fault in found.faults)
    assert flipped.read_bytes() == content
    assert not lost.exists()


def test_a_lost_mask_is_found_too(filled: Project) -> None:
    with filled.database.read() as session:
        digest = session.scalars(select(Mask.file_sha256)).one()
    (filled.root / "store" / file_name(digest)).unlink()
    [fault] = _verify(filled).faults
    assert fault.startswith("mask 'lesion' of image")


def test_files_that_interrupted_work_left_are_listed_without_being_faults(filled: Project) -> None:
    orphan = filled.store.put(encode_png(picture(77)))
    part = filled.root / "store" / "ab" / "abc.png.123.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    found = _verify(filled)
    assert (found.faults, found.orphans, found.unfinished) == ([], [file_name(orphan)], ["ab/abc.png.123.part"])


def test_pixels_that_are_not_those_of_the_row_are_found_when_asked_for(filled: Project) -> None:
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file == "1.png").values(pixel_sha256="0" * 64))
    assert _verify(filled).faults == []
    [fault] = _verify(filled, pixels=True).faults
    assert "its pixels are not those of its row" in fault


def test_a_stored_file_that_is_no_picture_is_a_fault_and_not_a_crash(filled: Project) -> None:
    digest = filled.store.put(b"not a picture")
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file == "1.png").values(file_sha256=digest))
    [fault] = _verify(filled, pixels=True).faults
    assert "cannot be decoded" in fault


def test_the_same_pixels_in_two_files_are_both_right(filled: Project) -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture(3)[:, :, 0]).save(buffer, "PNG", compress_level=0)
    digest = filled.store.put(buffer.getvalue())
    with filled.database.write() as session:
        session.execute(update(Image).where(Image.source_file == "3.png").values(file_sha256=digest))
    assert _verify(filled, pixels=True).faults == []


def test_an_altered_event_and_a_cut_tail_are_found(filled: Project) -> None:
    with filled.database.write() as session:
        session.execute(update(Event).values(payload={"import": 1, "images": 5}))
    assert any("was altered" in fault for fault in _verify(filled).faults)
    with filled.anchors_path.open("a") as anchors:
        anchors.write(json.dumps({"count": 9, "hmac": "f" * 64}) + "\n")
    assert any("an anchor was written at 9" in fault for fault in _verify(filled).faults)
