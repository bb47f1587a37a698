"""The snapshot of the shipped weights holds reserved subjects only."""

from pathlib import Path

import numpy as np
import pytest

from curation.errors import BadInput, Conflict
from curation.image_store import pixel_sha256
from curation.ingest.virtual_brains.render import CLASSES, NOTICE, SHIPPED_RANGE, render
from curation.ingest.virtual_brains.shipped import write_shipped_snapshot
from curation.snapshots.folder import SnapshotFolder


def test_the_folder_holds_the_ends_of_the_reserved_range(tmp_path: Path) -> None:
    folder = SnapshotFolder.open(write_shipped_snapshot(tmp_path / "shipped", train=5, validation=3))
    assert (folder.classes, folder.shape, folder.bits) == (list(CLASSES), (64, 64, 1), 8)
    assert (folder.notice, folder.subjects) == (NOTICE, "known")
    train, validation = folder.rows("train"), folder.rows("validation")
    assert {row.subject for row in train} == {f"vb-{number:06d}" for number in range(900_000, 900_005)}
    assert {row.subject for row in validation} == {f"vb-{number:06d}" for number in range(999_997, 1_000_000)}
    first = next(row for row in train if row.subject == "vb-900000")
    pixels = folder.pixels([first])[0]
    assert np.array_equal(pixels[:, :, 0], render(900_000).pixels)
    assert (first.label, first.pixel_sha256) == (render(900_000).label, pixel_sha256(pixels))


def test_the_same_numbers_give_the_same_digest_and_others_another(tmp_path: Path) -> None:
    digests = [
        SnapshotFolder.open(write_shipped_snapshot(tmp_path / name, train, 1)).digest
        for name, train in (("one", 2), ("same", 2), ("more", 3))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_an_existing_directory_and_more_than_the_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="exists already"):
        write_shipped_snapshot(tmp_path, 1, 1)
    with pytest.raises(BadInput, match="100000"):
        write_shipped_snapshot(tmp_path / "new", len(SHIPPED_RANGE), 1)
