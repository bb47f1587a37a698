"""Grids of stored images are kept beside the features, which the same pass through the network makes."""

import json
import shutil
from pathlib import Path

import numpy as np

from curation.progress import silent
from curation.vector_files import forget_vectors, remove_features
from tests.train.features.test_feature_cache import rows_seen, store_with
from train.backbones.grid import features_with_grid
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache
from train.features.grid_file import stored_grids


def test_one_pass_makes_grids_and_features_and_the_second_use_runs_no_network(tiny_vit: Path, tmp_path: Path) -> None:
    backbone = Backbone.load(tiny_vit)
    store, images, pixels = store_with(tmp_path, 5)
    directory = tmp_path / "embeddings"
    grids = stored_grids(backbone, directory, store, images, silent)
    features, expected = features_with_grid(backbone, pixels)
    np.testing.assert_array_equal(grids, expected)
    with rows_seen(backbone) as seen:
        np.testing.assert_array_equal(FeatureCache(backbone, directory).of_stored(store, images, silent), features)
        again = stored_grids(backbone, directory, store, [images[3], images[0], images[3]], silent)
        assert max(seen, default=1) == 1  # a blank image, which says how long a grid is
    np.testing.assert_array_equal(again, expected[[3, 0, 3]])


def test_grids_go_with_withdrawn_images_and_with_their_backbone(tiny_vit: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_vit, tmp_path / "backbones" / "eye")
    backbone = Backbone.load(tmp_path / "backbones" / "eye")
    store, images, _ = store_with(tmp_path, 3)
    directory = tmp_path / "embeddings"
    kept = stored_grids(backbone, directory, store, images, silent)
    FeatureCache(backbone, directory).of_stored(store, images, silent)
    assert forget_vectors(directory, [images[1].pixel_sha256]) == 2
    matrix = np.fromfile(next(directory.glob("*.grid-1.*.f32")), np.float32).reshape(kept.shape)
    assert (matrix == 0).all(axis=1).sum() == 1
    assert json.loads(next(directory.glob("*.json")).read_text()) == {"backbone": "backbones/eye"}
    assert remove_features(directory, "backbones/eye") == 1
    assert list(directory.iterdir()) == []
