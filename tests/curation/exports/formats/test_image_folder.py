"""The imagefolder and the Parquet export, opened by `datasets` without our code."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image as PillowImage

from curation.exports.formats import parquet
from curation.image_store import Pixels, decode_png, pixel_sha256
from curation.project import Project
from curation.snapshots.folder import SnapshotFolder
from tests.rows import stored as digests_in
from tests.worlds.exports import SNAPSHOT, export

COUNTS = {"train": 28, "validation": 4, "test": 4}


def load(path: Path, cache: Path, *name: str, **words: Any) -> Any:
    """Load with stock `datasets`, offline."""
    return datasets.load_dataset(*(name or (str(path),)), cache_dir=str(cache), **words)


def stored(project: Project) -> dict[str, Pixels]:
    """The snapshot's pictures by their pixel digest."""
    folder = SnapshotFolder.open(project.root / "snapshots" / SNAPSHOT)
    rows = [row for split in COUNTS for row in folder.rows(split)]
    return {row.pixel_sha256: pixels for row, pixels in zip(rows, folder.pixels(rows), strict=True)}


@pytest.mark.slow
def test_stock_datasets_opens_the_folder_with_named_classes(each_kind: Project, tmp_path: Path) -> None:
    export(each_kind, "imagefolder", tmp_path / "out", include_real=True)
    loaded = load(tmp_path / "out", tmp_path / "cache")
    assert {split: len(rows) for split, rows in loaded.items()} == COUNTS
    assert loaded["train"].features["label"].names == ["a", "b"]
    known = stored(each_kind)
    for row in loaded["train"]:
        assert (np.asarray(row["image"]).squeeze() == known[row["pixel_sha256"]].squeeze()).all()


def test_without_its_card_it_is_a_plain_imagefolder(filled: Project, tmp_path: Path) -> None:
    export(filled, "imagefolder", tmp_path / "out")
    loaded = load(tmp_path / "out", tmp_path / "cache", "imagefolder", data_dir=str(tmp_path / "out"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 20}
    assert set(loaded["train"]["label"]) == {"a", "b"}
    assert set(loaded["train"]["approved_by"]) == {"people"}


def test_every_picture_says_what_it_is_and_the_store_does_not(filled: Project, tmp_path: Path) -> None:
    export(filled, "imagefolder", tmp_path / "out", include_real=True)
    lines = [json.loads(line) for line in (tmp_path / "out" / "train" / "metadata.jsonl").read_text().splitlines()]
    for line in lines:
        content = (tmp_path / "out" / "train" / line["file_name"]).read_bytes()
        with PillowImage.open(io.BytesIO(content)) as picture:
            texts = picture.text
        assert texts["Synthetic"] == ("yes" if line["origin"] == "synthetic" else "no")
        assert ("not presumed anonymous" in texts["Notice"]) == line["synthetic"]
        assert "not for diagnosis" in texts["Notice"]
        assert texts["Software"].startswith("Rounds")
        if line["synthetic"]:
            assert "cafe, weights cafe0000" in texts["Generator"]
            assert (texts["Batch"], texts["Index"]) == (line["batch"], str(line["index"]))
        assert hashlib.sha256(content).hexdigest() == line["file_sha256"]
        assert pixel_sha256(decode_png(content)) == line["pixel_sha256"]
    assert all(b"Synthetic" not in filled.store.content(digest) for digest in digests_in(filled))


def test_the_card_says_what_a_stranger_must_know_first(filled: Project, tmp_path: Path) -> None:
    export(filled, "imagefolder", tmp_path / "out", license="CC-BY-4.0", creator="A group")
    card = (tmp_path / "out" / "README.md").read_text()
    for sentence in (
        "20 synthetic and 0 real images",
        "16 real images of the snapshot were left out",
        "Synthetic is not presumed anonymous",
        "48 readings by 2 people, 0 of them physicians by their own word",
        "Not yet read by a clinician",
        "rests on 40 readings by people and 0 by proxy models",
        'license: "cc-by-4.0"',
        "Publisher: A group",
        "images: 1, subjects: 1",
    ):
        assert sentence in card, sentence


def test_an_unknown_licence_says_so(filled: Project, tmp_path: Path) -> None:
    export(filled, "imagefolder", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "unknown - ask the publisher" in card
    assert "No licence was stated" in card


def test_stock_datasets_opens_parquet_in_shards(
    each_kind: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS_A_GROUP", 7)
    monkeypatch.setattr(parquet, "BYTES_A_SHARD", 1)
    export(each_kind, "parquet", tmp_path / "out", include_real=True)
    shards = sorted(path.name for path in (tmp_path / "out" / "data").iterdir())
    assert [name for name in shards if name.startswith("train")] == [f"train-{n:05d}.parquet" for n in range(4)]
    loaded = load(tmp_path / "out", tmp_path / "cache")
    assert {split: len(rows) for split, rows in loaded.items()} == COUNTS
    assert loaded["train"].features["label"].names == ["a", "b"]
    known = stored(each_kind)
    for row in loaded["validation"]:
        assert (np.asarray(row["image"]).squeeze() == known[row["pixel_sha256"]].squeeze()).all()


def test_parquet_decodes_without_the_card_too(filled: Project, tmp_path: Path) -> None:
    export(filled, "parquet", tmp_path / "out")
    files = str(tmp_path / "out" / "data" / "train-*.parquet")
    loaded = load(tmp_path / "out", tmp_path / "cache", "parquet", data_files=files)
    assert loaded["train"][0]["image"].size == (24, 24)
    assert loaded["train"].features["label"].names == ["a", "b"]
    table = pq.read_table(tmp_path / "out" / "data" / "train-00000.parquet")
    assert table.num_rows == 20
    assert b"huggingface" in table.schema.metadata
