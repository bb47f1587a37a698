"""Features of stored images are computed once, and are those of the network to the last bit."""

import dataclasses
import errno
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import BadInput, Diverged
from curation.image_store import ImageStore, Pixels, pixel_sha256
from curation.progress import silent
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder
from curation.vector_files import LINE, remove_features
from tests.processes import fork
from tests.rows import picture
from tests.small_disk import close_for_writing, small_disk
from tests.train.snapshots import write_snapshot
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache, feature_file


@dataclasses.dataclass(frozen=True)
class StoredImage:
    file_sha256: str
    pixel_sha256: str


@pytest.fixture(scope="module")
def backbone(tiny_vit: Path) -> Backbone:
    return Backbone.load(tiny_vit)


@contextmanager
def rows_seen(backbone: Backbone) -> Iterator[list[int]]:
    """How many rows the network gets, call by call."""
    rows: list[int] = []
    hook = backbone.model.register_forward_pre_hook(
        lambda model, arguments, options: rows.append(len((*arguments, *options.values())[0])), with_kwargs=True
    )
    yield rows
    hook.remove()


def store_with(
    directory: Path, count: int, size: int = 40, bits: int = 8
) -> tuple[ImageStore, list[StoredImage], Pixels]:
    store = ImageStore(str(directory / "store"))
    store.prepare()
    pixels = np.stack([picture(number, 40) for number in range(count)])
    if bits == 16:
        pixels = pixels.astype(np.uint16) * 257 + 3
    return store, [StoredImage(store.put_pixels(image), pixel_sha256(image)) for image in pixels], pixels


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kept", [True, False])
def test_kept_features_are_those_of_the_network_to_the_last_bit(
    backbone: Backbone, tmp_path: Path, bits: int, kept: bool
) -> None:
    store, images, pixels = store_with(tmp_path, 70, bits=bits)
    cache = FeatureCache(backbone, tmp_path / "embeddings" if kept else None)
    expected = backbone.features(pixels)
    np.testing.assert_array_equal(cache.of_stored(store, images[:3], silent), expected[:3])
    asked = [69, 0, 5, 69, 2]
    np.testing.assert_array_equal(cache.of_stored(store, [images[place] for place in asked], silent), expected[asked])
    np.testing.assert_array_equal(cache.of_stored(store, images, silent), expected)
    assert cache.of_stored(store, [], silent).shape == (0, backbone.dimension)


def test_the_second_use_runs_no_network_also_for_a_snapshot_of_the_same_pixels(
    backbone: Backbone, tmp_path: Path
) -> None:
    folder = write_snapshot(tmp_path / "snapshot", {"train": 5, "validation": 2, "test": 2})
    rows = folder.rows("train")
    with rows_seen(backbone) as seen:
        first = FeatureCache(backbone, tmp_path / "embeddings").of(folder, rows, silent)
        assert sum(seen) >= len({row.pixel_sha256 for row in rows})
        seen.clear()
        again = FeatureCache(backbone, tmp_path / "embeddings").of(folder, rows, silent)
        store = ImageStore(str(tmp_path / "store"))
        store.prepare()
        for image in folder.pixels(rows):
            store.put_pixels(image)
        stored = FeatureCache(backbone, tmp_path / "embeddings").of_stored(store, rows, silent)
        assert seen == []
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(stored, first)


def test_weights_preprocessing_pooling_and_device_each_have_a_file_of_their_own(
    backbone: Backbone, tmp_path: Path
) -> None:
    darker = dataclasses.replace(backbone.preprocessing, mean=(0.25,) * 3)
    others = [
        backbone,
        dataclasses.replace(backbone, digest="0" * 64),
        dataclasses.replace(backbone, preprocessing=darker),
        dataclasses.replace(backbone, pooling="tokens+1"),
    ]
    names = {feature_file(tmp_path, other).name for other in others}
    assert len(names) == len(others)
    store, images, pixels = store_with(tmp_path, 3)
    FeatureCache(backbone, tmp_path).of_stored(store, images, silent)
    other = FeatureCache(others[2], tmp_path).of_stored(store, images, silent)
    np.testing.assert_array_equal(other, others[2].features(pixels))


def test_features_go_with_the_backbone_that_made_them_and_others_stay(tiny_vit: Path, tmp_path: Path) -> None:
    store, images, _ = store_with(tmp_path, 3)
    directory = tmp_path / "embeddings"
    for number, place in enumerate(("backbones/eye", "backbones/eye-2", "runs/eye/model")):
        shutil.copytree(tiny_vit, tmp_path / place)
        own = {"size": 32, "image_mean": [0.1 * number] * 3, "image_std": [0.25] * 3}
        (tmp_path / place / "preprocessor_config.json").write_text(json.dumps(own))
        FeatureCache(Backbone.load(tmp_path / place), directory).of_stored(store, images, silent)
    outside = FeatureCache(Backbone.load(tiny_vit), directory)
    kept = outside.of_stored(store, images, silent)
    assert len(list(directory.glob("features-*.rows"))) == 4
    assert (remove_features(directory, "backbones/eye"), remove_features(directory, "backbones/eye")) == (1, 0)
    assert remove_features(directory, "runs/eye") == 1
    assert len(list(directory.glob("features-*.rows"))) == len(list(directory.glob("features-*.f32"))) == 2
    np.testing.assert_array_equal(outside.of_stored(store, images, silent), kept)


def embed_all(backbone_directory: Path, directory: Path, order: list[int]) -> None:
    """Fill the file from another process, image by image."""
    torch.set_num_threads(1)
    store, images, _ = store_with(directory, 12)
    cache = FeatureCache(Backbone.load(backbone_directory), directory / "embeddings")
    for number in order:
        cache.of_stored(store, [images[number]], silent)


def test_two_processes_fill_one_file_and_each_image_stands_in_it_once(
    backbone: Backbone, tiny_vit: Path, tmp_path: Path
) -> None:
    store, images, pixels = store_with(tmp_path, 12)
    orders = (list(range(12)), list(range(11, -1, -1)))
    workers = [fork(embed_all, tiny_vit, tmp_path, order) for order in orders]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with rows_seen(backbone) as seen:
        features = FeatureCache(backbone, tmp_path / "embeddings").of_stored(store, images, silent)
    assert seen == []
    np.testing.assert_array_equal(features, backbone.features(pixels))
    [rows] = (tmp_path / "embeddings").glob("*.rows")
    assert rows.stat().st_size == 12 * LINE


def embed_until_killed(backbone_directory: Path, directory: Path) -> None:
    """Die by SIGKILL after the vectors of the second portion and before their digests."""
    torch.set_num_threads(1)
    store, images, _ = store_with(directory, 12)
    cache = FeatureCache(Backbone.load(backbone_directory), directory / "embeddings")
    cache.of_stored(store, images[:5], silent)
    written = os.write

    def write_vectors_alone(descriptor: int, content: bytes) -> int:
        if len(content) % LINE == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return written(descriptor, content)

    os.write = write_vectors_alone  # type: ignore[assignment]
    cache.of_stored(store, images, silent)


def test_a_killed_writer_leaves_a_tail_that_the_next_one_cuts_off(
    backbone: Backbone, tiny_vit: Path, tmp_path: Path
) -> None:
    worker = fork(embed_until_killed, tiny_vit, tmp_path)
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    [rows], [matrix] = (list((tmp_path / "embeddings").glob(f"*.{kind}")) for kind in ("rows", "f32"))
    row_bytes = 4 * backbone.dimension
    assert (rows.stat().st_size, matrix.stat().st_size) == (5 * LINE, 12 * row_bytes)
    store, images, pixels = store_with(tmp_path, 12)
    features = FeatureCache(backbone, tmp_path / "embeddings").of_stored(store, images, silent)
    np.testing.assert_array_equal(features, backbone.features(pixels))
    assert (rows.stat().st_size, matrix.stat().st_size) == (12 * LINE, 12 * row_bytes)


def test_a_full_disk_is_an_error_with_the_file_and_leaves_whole_rows(backbone: Backbone, tmp_path: Path) -> None:
    store, images, pixels = store_with(tmp_path, 80)
    with small_disk(tmp_path / "small", 16) as small:
        cache = FeatureCache(backbone, small / "embeddings")
        kept = cache.of_stored(store, images[:5], silent)
        with pytest.raises(OSError, match=r"features-.*\.f32") as full:
            cache.of_stored(store, images, silent)
        assert full.value.errno == errno.ENOSPC
        [rows], [matrix] = (list((small / "embeddings").glob(f"*.{kind}")) for kind in ("rows", "f32"))
        assert (rows.stat().st_size, matrix.stat().st_size) == (5 * LINE, 5 * 4 * backbone.dimension)
        np.testing.assert_array_equal(cache.of_stored(store, images[:5], silent), kept)
        close_for_writing(small)
        np.testing.assert_array_equal(cache.of_stored(store, images[:5], silent), backbone.features(pixels[:5]))
        with pytest.raises(OSError, match="Read-only"):
            cache.of_stored(store, images[:6], silent)


def test_withdrawn_images_of_a_snapshot_are_not_kept_and_removed_ones_are_refused(
    backbone: Backbone, tmp_path: Path
) -> None:
    folder = write_snapshot(tmp_path / "snapshot", {"train": 5, "validation": 2, "test": 2})
    rows = folder.rows("train")
    expected = backbone.features(folder.pixels(rows))
    name = f"train/{rows[0].file_name}"
    Tombstones().add(1, "2026-11-25", [name], False).write(folder.path)
    cache = FeatureCache(backbone, tmp_path / "embeddings")
    np.testing.assert_array_equal(cache.of(folder, rows, silent), expected)
    [listed] = (tmp_path / "embeddings").glob("*.rows")
    kept = listed.read_text().split()
    assert rows[0].pixel_sha256 not in kept
    assert set(kept) == {row.pixel_sha256 for row in rows[1:]} - {rows[0].pixel_sha256}
    Tombstones().add(1, "2026-11-25", [name], True).write(folder.path)
    with pytest.raises(BadInput, match="were removed with a withdrawn subject"):
        cache.of(folder, rows, silent)
    assert len(cache.of(SnapshotFolder.open(folder.path), rows[1:], silent)) == len(rows) - 1


def test_features_that_are_no_numbers_are_not_kept(tiny_vit: Path, tmp_path: Path) -> None:
    broken = Backbone.load(tiny_vit)
    with torch.no_grad():
        next(iter(broken.model.parameters())).fill_(float("nan"))
    store, images, _ = store_with(tmp_path, 3)
    with pytest.raises(Diverged, match="NaN or infinite"):
        FeatureCache(broken, tmp_path / "embeddings").of_stored(store, images, silent)
    assert not (tmp_path / "embeddings").exists()
