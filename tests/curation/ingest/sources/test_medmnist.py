"""MedMNIST files have the published splits and labels; offline the error says what to fetch."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from curation.errors import BadInput, Damaged, NotFound
from curation.ingest.import_report import DuplicateKind
from curation.ingest.sources.medmnist import NUMBERED, import_medmnist
from curation.ingest.sources.medmnist_catalogue import CATALOGUE
from curation.project import Project
from curation.tables.images import Image, Split
from tests.rows import NOW

COUNTS = {"train": 12, "val": 4, "test": 6}


def _arrays(channels: int = 1) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, count in COUNTS.items():
        shape = (count, 28, 28) if channels == 1 else (count, 28, 28, channels)
        arrays[f"{split}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % 2)[:, None]
    return arrays


def _save(path: Path, arrays: dict[str, NDArray[np.generic]]) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  numpy's stub mixes the arrays with its flag
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_the_published_splits_and_label_names_are_kept(project: Project, tmp_path: Path, channels: int) -> None:
    arrays = _arrays(channels)
    report = import_medmnist(project, NOW, _save(tmp_path / "pneumoniamnist.npz", arrays))
    assert report.counts == {
        "train": {"normal": 6, "pneumonia": 6},
        "validation": {"normal": 2, "pneumonia": 2},
        "test": {"normal": 3, "pneumonia": 3},
    }
    assert not report.subjects_known
    with project.database.read() as session:
        image = session.scalars(select(Image).where(Image.source_file == "test/000003")).one()
        assert image.subject is not None
        assert image.subject.split is Split.TEST
        expected = arrays["test_images"][3].reshape(28, 28, channels)
        assert np.array_equal(project.store.pixels(image.file_sha256), expected)


def test_a_validation_image_equal_to_a_training_one_is_listed_and_left_out(project: Project, tmp_path: Path) -> None:
    arrays = _arrays()
    arrays["val_images"][2] = arrays["train_images"][7]
    report = import_medmnist(project, NOW, _save(tmp_path / "x.npz", arrays))
    [duplicate] = report.duplicates_of_kind(DuplicateKind.ACROSS_SPLITS)
    assert (duplicate.source_file, duplicate.of_file) == ("val/000002", "train/000007")
    assert report.added == sum(COUNTS.values()) - 1
    assert report.left_out == 1


@pytest.mark.parametrize("name", ["pneumoniamnist_64", "PneumoniaMNIST_128", "pneumoniamnist_224 (1)"])
def test_a_larger_size_of_a_data_set_is_that_data_set(project: Project, tmp_path: Path, name: str) -> None:
    report = import_medmnist(project, NOW, _save(tmp_path / f"{name}.npz", _arrays()))
    assert set(report.counts["train"]) == {"normal", "pneumonia"}
    assert report.notice == "MedMNIST pneumoniamnist, CC BY 4.0"
    with pytest.raises(NotFound, match="is a larger size of pneumoniamnist"):
        import_medmnist(project, NOW, name.split()[0])


def test_a_file_of_another_name_has_numbered_classes(project: Project, tmp_path: Path) -> None:
    report = import_medmnist(project, NOW, _save(tmp_path / "ours.npz", _arrays()))
    assert set(report.counts["train"]) == {"class 0", "class 1"}
    assert NUMBERED in report.notes


def test_a_split_may_be_empty_and_gray_may_have_an_axis_of_its_own(project: Project, tmp_path: Path) -> None:
    arrays = {key: value[:0] if key.startswith("val") else value for key, value in _arrays().items()}
    arrays["test_images"] = arrays["test_images"][..., None]
    report = import_medmnist(project, NOW, _save(tmp_path / "x.npz", arrays))
    assert (report.added, set(report.counts)) == (18, {"train", "test"})


def test_the_same_file_twice_adds_nothing(project: Project, tmp_path: Path) -> None:
    path = _save(tmp_path / "x.npz", _arrays())
    import_medmnist(project, NOW, path)
    assert import_medmnist(project, NOW, path).repeated


def _changed(key: str, value: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    return {**_arrays(), key: value}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"train_images": np.zeros((2, 28, 28), np.uint8)}, "expected the array"),
        (_changed("train_labels", np.zeros((12, 14), np.uint8)), "different numbers of labels"),
        (_changed("train_labels", np.full((12, 2), 7, np.uint8)), "0 or 1"),
        (_changed("train_images", np.zeros((12, 28, 28, 28), np.uint8)), "Volumes"),
        (
            _changed("train_images", np.zeros((11, 28, 28), np.uint8)),
            "train_images holds 11 images, and train_labels 12 labels",
        ),
        (
            _changed("train_images", np.zeros((12, 28, 28), np.float32)),
            "train_images: expected values of uint8, got float",
        ),
        (_changed("train_images", np.zeros((12, 28, 28), np.int8)), "train_images: expected values of uint8, got int8"),
        (_changed("val_images", np.zeros((4, 28, 28), np.uint16)), "val_images: expected values of uint8, got uint16"),
        (_changed("train_labels", np.zeros((12, 1), np.float32)), "integers"),
        (_changed("train_labels", np.array([{}] * 12, dtype=object)), "without pickles"),
    ],
)
def test_a_file_of_another_layout_is_refused_whole(
    project: Project, tmp_path: Path, arrays: dict[str, NDArray[np.generic]], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        import_medmnist(project, NOW, _save(tmp_path / "x.npz", arrays))


def test_labels_that_the_named_data_set_does_not_have_are_refused(project: Project, tmp_path: Path) -> None:
    arrays = _changed("val_labels", np.full((4, 1), 9, np.uint8))
    with pytest.raises(BadInput, match=r"val_labels: it holds the label\(s\) \[9\].*Rename the file"):
        import_medmnist(project, NOW, _save(tmp_path / "breastmnist.npz", arrays))


@pytest.mark.parametrize("name", ["ours", "breastmnist"])
@pytest.mark.parametrize(
    ("label", "kind"), [(-1, np.int8), (-128, np.int64), (10_000, np.int32), (2**64 - 1, np.uint64)]
)
def test_a_number_that_is_no_class_is_refused_by_its_array_and_value(
    project: Project, tmp_path: Path, name: str, label: int, kind: type[np.generic]
) -> None:
    labels = np.zeros((6, 1), kind)
    labels[2] = label
    with pytest.raises(BadInput, match=f"test_labels: expected the numbers of classes, .*, got {label} in 1 place"):
        import_medmnist(project, NOW, _save(tmp_path / f"{name}.npz", _changed("test_labels", labels)))


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_archive_is_refused(project: Project, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read"):
        import_medmnist(project, NOW, tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", np.zeros(3))  # a single array, renamed
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(BadInput, match="cannot be read"):
        import_medmnist(project, NOW, tmp_path / "x.npz")


def test_offline_it_says_which_file_to_fetch_and_where_to_put_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(BadInput) as refused:
        import_medmnist(project, NOW, "bloodmnist")
    message = str(refused.value)
    assert "https://zenodo.org/records/10519652/files/bloodmnist.npz" in message
    assert str(project.root / "downloads" / "bloodmnist.npz") in message
    assert CATALOGUE["bloodmnist"].md5 in message


def test_a_download_is_checked_and_a_wrong_one_is_not_kept_under_its_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = _save(tmp_path / "published.npz", _arrays())
    open_url = urllib.request.urlopen
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: open_url(published.as_uri()))
    with pytest.raises(Damaged, match="expected MD5"):
        import_medmnist(project, NOW, "pneumoniamnist")
    kept = project.root / "downloads" / "pneumoniamnist.npz"
    assert not kept.exists()
    entry = CATALOGUE["pneumoniamnist"]
    md5 = hashlib.md5(published.read_bytes()).hexdigest()
    monkeypatch.setitem(CATALOGUE, entry.name, type(entry)(entry.name, md5, entry.labels))
    assert import_medmnist(project, NOW, "PneumoniaMNIST").added == sum(COUNTS.values())
    assert kept.exists()


def test_several_labels_of_an_image_are_kept_with_zero_and_one(project: Project, tmp_path: Path) -> None:
    arrays = _arrays()
    for split, count in COUNTS.items():
        arrays[f"{split}_labels"] = np.stack(
            [np.arange(count) % 2, np.arange(count) % 3 == 0, np.zeros(count)], 1
        ).astype(np.uint8)
    report = import_medmnist(project, NOW, _save(tmp_path / "ours.npz", arrays))
    assert report.counts["train"] == {"label 0": 6, "label 1": 4, "none of the labels": 4}
    with project.database.read() as session:
        image = session.scalars(select(Image).where(Image.source_file == "train/000003")).one()
        assert {label.label.name: label.value for label in image.labels} == {"label 0": 1, "label 1": 1, "label 2": 0}
    chest = _save(tmp_path / "chestmnist.npz", arrays)
    with pytest.raises(BadInput, match="chestmnist has 14"):
        import_medmnist(project, NOW, chest)


def test_an_unknown_name_lists_those_there_are(project: Project) -> None:
    with pytest.raises(NotFound, match="There are: pathmnist"):
        import_medmnist(project, NOW, "facemnist")
