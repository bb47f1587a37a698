"""Vectors are computed once, whoever asks and whatever crashed before."""

from pathlib import Path

import numpy as np
import pytest

from curation.errors import Damaged
from curation.image_store import ImageStore, Pixels
from curation.progress import silent
from curation.vector_files import LINE, forget_vectors, rows_of
from screening.features.feature_file import FeatureFile
from tests.processes import fork
from tests.rows import picture


def first_values(pixels: Pixels) -> np.ndarray:
    """Three numbers of each image."""
    return pixels.reshape(len(pixels), -1)[:, :3].astype(np.float32)


def expected(numbers: list[int]) -> np.ndarray:
    return first_values(np.stack([picture(number) for number in numbers]))


def store_with(directory: Path, count: int) -> tuple[ImageStore, list[str]]:
    store = ImageStore(str(directory / "store"))
    store.prepare()
    return store, [store.put_pixels(picture(number)) for number in range(count)]


def test_vectors_come_in_the_order_asked_and_each_picture_is_computed_once(tmp_path: Path) -> None:
    store, digests = store_with(tmp_path, 8)
    seen: list[int] = []

    def counting(pixels: Pixels) -> np.ndarray:
        seen.append(len(pixels))
        return first_values(pixels)

    file = FeatureFile(tmp_path / "embeddings", "counting", 3, counting)
    np.testing.assert_array_equal(file.features(store, digests[:5], silent), expected(list(range(5))))
    asked = [7, 0, 7, 3, 5]
    vectors = file.features(store, [digests[number] for number in asked], silent)
    np.testing.assert_array_equal(vectors, expected(asked))
    assert seen == [5, 2]
    assert file.features(store, [], silent).shape == (0, 3)


@pytest.mark.parametrize("torn", ["matrix", "digests"])
def test_what_a_crash_tore_off_is_computed_again(tmp_path: Path, torn: str) -> None:
    store, digests = store_with(tmp_path, 6)
    file = FeatureFile(tmp_path / "embeddings", "torn", 3, first_values)
    file.features(store, digests[:3], silent)
    if torn == "matrix":
        with (tmp_path / "embeddings" / "torn.3.f32").open("ab") as matrix:
            matrix.write(b"half a row")
    else:
        with (tmp_path / "embeddings" / "torn.3.rows").open("r+b") as rows:
            rows.truncate(3 * LINE - 10)
    np.testing.assert_array_equal(file.features(store, digests, silent), expected(list(range(6))))


def fill(directory: Path, order: list[int]) -> None:
    """Fill the file in another process."""
    store, digests = store_with(directory, 40)
    file = FeatureFile(directory / "embeddings", "shared", 3, first_values)
    for number in order:
        file.features(store, [digests[number]], silent)


@pytest.mark.slow
def test_two_processes_fill_one_file_and_no_row_goes_astray(tmp_path: Path) -> None:
    store, digests = store_with(tmp_path, 40)
    orders = (list(range(40)), list(range(39, -1, -1)))
    workers = [fork(fill, tmp_path, order) for order in orders]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    file = FeatureFile(tmp_path / "embeddings", "shared", 3, first_values)
    np.testing.assert_array_equal(file.features(store, digests, silent), expected(list(range(40))))
    assert (tmp_path / "embeddings" / "shared.3.rows").stat().st_size == 40 * LINE


def test_what_is_withdrawn_leaves_no_vector_behind_and_the_others_stay(tmp_path: Path) -> None:
    store, digests = store_with(tmp_path, 6)
    directory = tmp_path / "embeddings"
    files = [FeatureFile(directory, name, 3, first_values) for name in ("one", "other")]
    for file in files:
        file.features(store, digests[:5], silent)
    assert forget_vectors(directory, [digests[1], digests[5]]) == 2
    assert forget_vectors(directory, [digests[1]]) == 0
    for name in ("one", "other"):
        assert digests[1] not in (directory / f"{name}.3.rows").read_text()
        kept = np.fromfile(directory / f"{name}.3.f32", np.float32).reshape(5, 3)
        assert not kept[sorted(digests[:5]).index(digests[1])].any()
    others = [digests[number] for number in (0, 2, 3, 4, 5)]
    np.testing.assert_array_equal(files[0].features(store, others, silent), expected([0, 2, 3, 4, 5]))
    # Brought back on purpose, it is computed again.
    np.testing.assert_array_equal(files[0].features(store, digests, silent), expected(list(range(6))))


@pytest.mark.parametrize("lost", [4, 20, 36])
def test_rows_that_a_matrix_lost_are_computed_again_and_none_is_read_as_zeros(tmp_path: Path, lost: int) -> None:
    store, digests = store_with(tmp_path, 6)
    file = FeatureFile(tmp_path / "embeddings", "short", 3, first_values)
    file.features(store, digests[:3], silent)
    matrix = tmp_path / "embeddings" / "short.3.f32"
    matrix.write_bytes(matrix.read_bytes()[:-lost])
    np.testing.assert_array_equal(file.features(store, digests[3:], silent), expected([3, 4, 5]))
    np.testing.assert_array_equal(file.features(store, digests, silent), expected(list(range(6))))
    assert (tmp_path / "embeddings" / "short.3.rows").stat().st_size == 6 * LINE


def test_rows_lost_while_they_are_read_are_said_to_be_damaged(tmp_path: Path) -> None:
    store, digests = store_with(tmp_path, 3)
    file = FeatureFile(tmp_path / "embeddings", "short", 3, first_values)
    rows = file.rows(store, digests, silent)
    matrix = tmp_path / "embeddings" / "short.3.f32"
    matrix.write_bytes(matrix.read_bytes()[:-4])
    with pytest.raises(Damaged, match="shorter than its list says"):
        rows[np.arange(3)]


def test_what_is_withdrawn_is_blanked_in_its_own_row_also_after_a_crash(tmp_path: Path) -> None:
    store, digests = store_with(tmp_path, 4)
    file = FeatureFile(tmp_path / "embeddings", "torn", 3, first_values)
    file.features(store, digests, silent)
    with (tmp_path / "embeddings" / "torn.3.f32").open("ab") as matrix:
        matrix.write(b"rows that nothing names yet" * 2)
    place = rows_of(tmp_path / "embeddings" / "torn.3.rows")[digests[2]]
    before = np.fromfile(tmp_path / "embeddings" / "torn.3.f32", np.float32, 12).reshape(4, 3)
    assert forget_vectors(tmp_path / "embeddings", [digests[2]]) == 1
    rows = np.fromfile(tmp_path / "embeddings" / "torn.3.f32", np.float32, 12).reshape(4, 3)
    assert not rows[place].any()
    np.testing.assert_array_equal(np.delete(rows, place, axis=0), np.delete(before, place, axis=0))
