"""Tables of files give columns, several labels and splits; so do folders of `datasets`."""

import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select

from curation.errors import BadInput
from curation.ingest.import_report import ImportReport
from curation.ingest.request import ImportRequest
from curation.ingest.sources.hugging_face import import_hugging_face, is_hugging_face
from curation.ingest.sources.image_folder import import_image_folder
from curation.project import Project
from curation.tables.images import Image
from tests.curation.ingest.sources.folders import encoded
from tests.rows import NOW, picture

ROWS = [(n, ["effusion|nodule", "nodule", "none", "effusion"][n % 4]) for n in range(12)]
PUBLIC = {"public_subjects": True}


def _pictures(folder: Path, count: int = 12) -> Path:
    for number in range(count):
        path = folder / "img" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(number)))
    return folder


def _write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    return path


def _labels(project: Project) -> dict[str, dict[str, float]]:
    with project.database.read() as session:
        images = session.scalars(select(Image)).all()
        return {str(image.source_file): {label.label.name: label.value for label in image.labels} for image in images}


def _import(project: Project, path: Path, **request: object) -> ImportReport:
    return import_image_folder(project, NOW, path, request=ImportRequest(**{**PUBLIC, **request}))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_several_columns_are_several_labels_with_zero_one_a_probability_or_nothing(
    project: Project, tmp_path: Path, suffix: str
) -> None:
    rows: list[dict[str, object]] = [
        {
            "path": f"img/{n}.png",
            "patient": f"p{n // 3}",
            "split": "train",
            "effusion": n % 2,
            "nodule": 0.25,
            "fibrosis": None,
        }
        for n in range(12)
    ]
    rows += [
        {**rows[0], "path": "img/gone.png"},
        {**rows[0], "path": "../up.png"},
        {**rows[1], "path": "img/x.png", "effusion": -1},
    ]
    table = _write(_pictures(tmp_path) / f"list{suffix}", rows)
    report = _import(project, table, label_columns=("effusion", "nodule", "fibrosis"))
    assert report.added == 12
    assert report.counts == {"train": {"effusion": 6, "none of the labels": 6}}
    assert _labels(project)["img/1.png"] == {"effusion": 1.0, "nodule": 0.25}
    assert {fault.source_file for fault in report.rejected} == {"img/gone.png", "../up.png", "img/x.png"}


def test_one_column_lists_labels_and_strata_are_their_combinations(project: Project, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"Image Index": f"img/{n}.png", "Finding Labels": text} for n, text in ROWS]
    table = _write(_pictures(tmp_path) / "list.csv", rows)
    report = _import(project, table, file_column="Image Index", label_columns=("Finding Labels",), label_separator="|")
    assert report.added == 12
    assert _labels(project)["img/0.png"] == {"effusion": 1.0, "nodule": 1.0}
    assert sum(counts.get("nodule", 0) for counts in report.counts.values()) == 6


def test_a_table_without_the_column_asked_for_names_those_there_are(project: Project, tmp_path: Path) -> None:
    table = _write(_pictures(tmp_path) / "list.csv", [{"file": "img/0.png", "label": "x"}])
    with pytest.raises(BadInput, match=r"no column diagnosis\. There are file, label"):
        _import(project, table, label_columns=("diagnosis",))
    table = _write(tmp_path / "none.csv", [{"name": "img/0.png", "label": "x"}])
    with pytest.raises(BadInput, match="expected the columns file"):
        _import(project, table)


@pytest.mark.parametrize("content", [b"", b"file,label\n\xff\xfe,a\n", b"PAR1 broken PAR1"])
@pytest.mark.parametrize("name", ["list.csv", "list.parquet", "list.jsonl"])
def test_a_table_that_cannot_be_read_is_refused_whole(
    project: Project, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput):
        _import(project, tmp_path / name)


@pytest.fixture
def written(tmp_path: Path) -> datasets.DatasetDict:
    """A data set of pictures with class labels and subjects, as `datasets` makes it."""
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["normal", "lesion"]),
            "subject": datasets.Value("string"),
        }
    )
    parts = {}
    for start, split in [(0, "train"), (8, "test")]:
        rows = range(start, start + 8)
        pictures = [PillowImage.fromarray(picture(n)[:, :, 0]) for n in rows]
        columns = {"image": pictures, "label": [n % 2 for n in rows], "subject": [f"s{n // 2}" for n in rows]}
        parts[split] = datasets.Dataset.from_dict(columns, features=features)
    return datasets.DatasetDict(parts)


def _check_written(project: Project, path: Path) -> None:
    assert is_hugging_face(path)
    report = import_hugging_face(project, NOW, path, request=ImportRequest(**PUBLIC))
    assert report.counts == {split: {"lesion": 4, "normal": 4} for split in ("train", "test")}
    assert report.subjects == {"train": 4, "test": 4}
    with project.database.read() as session:
        digests = session.scalars(select(Image.file_sha256).order_by(Image.id)).all()
    assert all(np.array_equal(project.store.pixels(digest), picture(n)) for n, digest in enumerate(digests))


def test_what_save_to_disk_wrote(project: Project, tmp_path: Path, written: datasets.DatasetDict) -> None:
    written.save_to_disk(str(tmp_path / "saved"))
    with project.database.read() as session:
        assert session.scalars(select(Image)).all() == []
    # Shards of a DatasetDict are read in the order of the splits' names.
    report = import_hugging_face(project, NOW, tmp_path / "saved", request=ImportRequest(**PUBLIC))
    assert report.counts == {split: {"lesion": 4, "normal": 4} for split in ("train", "test")}
    assert import_hugging_face(project, NOW, tmp_path / "saved", request=ImportRequest(**PUBLIC)).repeated


def test_parquet_files_with_the_pictures_in_them(
    project: Project, tmp_path: Path, written: datasets.DatasetDict
) -> None:
    for split, number in [("train", 0), ("test", 1)]:
        path = tmp_path / "set" / "data" / f"{split}-0000{number}-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        written[split].to_parquet(str(path))
    (tmp_path / "set" / "data" / "test-00001-of-00001.parquet").rename(tmp_path / "set" / "data" / "zz.parquet")
    (tmp_path / "set" / "data" / "zz.parquet").rename(tmp_path / "set" / "data" / "validation.parquet")
    report = import_hugging_face(project, NOW, tmp_path / "set", request=ImportRequest(**PUBLIC))
    assert report.counts == {split: {"lesion": 4, "normal": 4} for split in ("train", "validation")}


def test_the_imagefolder_layout_with_metadata_in_each_split(project: Project, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True)
        rows = []
        for n in range(4):
            number = n + 10 * (split == "train")
            (folder / f"{n}.png").write_bytes(encoded(picture(number)))
            rows.append(
                json.dumps({"file_name": f"{n}.png", "label": "ab"[n % 2], "patient_id": f"{split}{n}", "note": "x"})
            )
        (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    report = _import(project, tmp_path / "set")
    assert report.counts == {split: {"a": 2, "b": 2} for split in ("train", "validation")}
    assert report.subjects == {"train": 4, "validation": 4}
    assert report.notes == ["columns not used: note"]


def test_a_picture_that_is_only_a_path_elsewhere_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(picture(1)))
    rows = [{"image": {"bytes": None, "path": str(tmp_path / "secret.png")}, "label": "a"}]
    rows += [{"image": {"bytes": encoded(picture(2)), "path": None}, "label": "a"}]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.Table.from_pylist(rows, pyarrow.schema([("image", kind), ("label", pyarrow.string())]))
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    report = import_hugging_face(project, NOW, tmp_path / "set.parquet")
    assert report.added == 1
    assert "only a path to it" in report.rejected[0].reason


def test_a_damaged_parquet_file_beside_pictures_is_one_line(project: Project, tmp_path: Path) -> None:
    _pictures(tmp_path / "set", 3)
    (tmp_path / "set" / "notes.parquet").write_bytes(b"PAR1")
    assert not is_hugging_face(tmp_path / "set")
    report = _import(project, tmp_path / "set")
    assert (report.added, [fault.source_file for fault in report.rejected]) == (3, ["notes.parquet"])
