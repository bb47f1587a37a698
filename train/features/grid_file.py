"""Grids of stored images (`train.backbones.grid`), kept beside the features of the backbone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from curation.image_store import ImageStore
from curation.progress import OnProgress
from curation.vector_files import VectorFile, Vectors
from train.backbones.grid import METHOD, embed_with_grid, grid_width
from train.backbones.load import Backbone
from train.features.feature_cache import AT_ONCE, NOTE, ImageDigests, feature_file


def stored_grids(
    backbone: Backbone, directory: Path, store: ImageStore, images: Sequence[ImageDigests], on_progress: OnProgress
) -> Vectors:
    """Grids (N, G) of images of a store, all of one shape and depth; G is 0 where the network has none.

    The pass through the network that makes a missing grid makes the features too, and both are kept.
    """
    width = grid_width(backbone)
    if not width:
        return np.empty((len(images), 0), np.float32)
    features = feature_file(directory, backbone)
    grids = VectorFile(directory, f"{features.name}.{METHOD}", width)
    by_pixels = {image.pixel_sha256: image.file_sha256 for image in images}

    def read(portion: list[str]) -> tuple[list[str], Tensor]:
        return portion, backbone.preprocessing(store.stack([by_pixels[digest] for digest in portion]))

    def compute(portion: tuple[list[str], Tensor]) -> Vectors:
        digests, inputs = portion
        of_images, grids_of_images = embed_with_grid(backbone, inputs)
        features.append(digests, of_images)
        return grids_of_images

    grids.fill(by_pixels, read, compute, on_progress, NOTE, max(AT_ONCE, backbone.rows_at_once))
    return grids.stored([image.pixel_sha256 for image in images])[np.arange(len(images))]
