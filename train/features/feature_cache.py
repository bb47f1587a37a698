"""Features of a frozen backbone, computed once per image and shared by everything that asks for them.

In a project they lie in one file per backbone beside the descriptors of screening, by the digest of the pixels, so that
arms, seeds, commands and processes share them. What is augmented or not stored goes to `Backbone.features` directly.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from torch import Tensor

from curation.digests import digest_of
from curation.image_store import ImageStore, Pixels
from curation.progress import OnProgress
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from curation.vector_files import VectorFile, Vectors, feature_prefix, note_backbone, read_ahead
from train.backbones.load import Backbone

AT_ONCE = 64
NOTE = "features"


class ImageDigests(Protocol):
    """An image that says which file and which pixels it is: a row of a snapshot, of the database, or a reference."""

    @property
    def file_sha256(self) -> str:
        """The digest of its file."""

    @property
    def pixel_sha256(self) -> str:
        """The digest of its pixels."""


AnyImage = TypeVar("AnyImage", bound=ImageDigests)


def feature_file(directory: Path, backbone: Backbone) -> VectorFile:
    """The file of a backbone's features: named by its digest, its preprocessing, its pooling and the kind of device.

    A GPU gives other last bits than a processor.
    """
    decisive = [backbone.digest, backbone.preprocessing.as_config(), backbone.pooling, backbone.device.type]
    return VectorFile(directory, f"{feature_prefix(backbone.digest)}{digest_of(decisive)[:8]}", backbone.dimension)


class FeatureCache:
    """Features by pixel digest for one backbone: in a vector file of `directory`, or in memory without one."""

    def __init__(self, backbone: Backbone, directory: Path | None = None) -> None:
        self.backbone = backbone
        self._file = feature_file(directory, backbone) if directory else None
        self._in_memory: dict[str, Vectors] = {}

    def of(self, folder: SnapshotFolder, rows: Sequence[SnapshotRow], on_progress: OnProgress) -> Vectors:
        """Features (N, D) of rows of a snapshot; only images without cached features go through the backbone.

        Raises BadInput where an image was removed with a withdrawn subject. Withdrawn images that still lie in the
        folder are kept in memory alone, so that nothing of them comes back into the project.
        """
        folder.refuse_purged(rows)
        withdrawn = folder.tombstones.files
        if withdrawn:
            leaving = [row for row in rows if f"{row.split}/{row.file_name}" in withdrawn]
            self._remember(leaving, folder.pixels, on_progress)
        return self._features(rows, folder.pixels, on_progress)

    def of_stored(self, store: ImageStore, images: Sequence[ImageDigests], on_progress: OnProgress) -> Vectors:
        """Features (N, D) of images of a store, all of one shape and depth."""

        def read(portion: Sequence[ImageDigests]) -> Pixels:
            return store.stack([image.file_sha256 for image in portion])

        return self._features(images, read, on_progress)

    def _features(
        self, images: Sequence[AnyImage], read: Callable[[Sequence[AnyImage]], Pixels], on_progress: OnProgress
    ) -> Vectors:
        if self._file is None:
            self._remember(images, read, on_progress)
        in_file = np.array([image.pixel_sha256 not in self._in_memory for image in images], bool)
        features = np.empty((len(images), self.backbone.dimension), np.float32)
        for place in np.flatnonzero(~in_file).tolist():
            features[place] = self._in_memory[images[place].pixel_sha256]
        if self._file is not None:
            lasting = [images[place] for place in np.flatnonzero(in_file).tolist()]
            digests = [image.pixel_sha256 for image in lasting]
            inputs = self._prepare(lasting, read)
            self._file.fill(digests, inputs, self.backbone.embed, on_progress, NOTE, self._at_once)
            if lasting:
                note_backbone(self._file.directory, self._file.name, self.backbone.directory)
            features[in_file] = self._file.stored(digests)[np.arange(len(digests))]
        return features

    def _remember(
        self, images: Sequence[AnyImage], read: Callable[[Sequence[AnyImage]], Pixels], on_progress: OnProgress
    ) -> None:
        """Compute in memory what was not computed yet."""
        missing = sorted({image.pixel_sha256 for image in images} - self._in_memory.keys())
        portions = [missing[start : start + self._at_once] for start in range(0, len(missing), self._at_once)]
        done = 0
        for portion, inputs in read_ahead(self._prepare(images, read), portions):
            self._in_memory |= dict(zip(portion, self.backbone.embed(inputs), strict=True))
            done += len(portion)
            on_progress(done, len(missing), NOTE)

    def _prepare(
        self, images: Sequence[AnyImage], read: Callable[[Sequence[AnyImage]], Pixels]
    ) -> Callable[[Sequence[str]], Tensor]:
        """Return what turns pixel digests into inputs of the network; it runs ahead of it, in a thread."""
        by_pixels = {image.pixel_sha256: image for image in images}
        return lambda portion: self.backbone.preprocessing(read([by_pixels[digest] for digest in portion]))

    @property
    def _at_once(self) -> int:
        return max(AT_ONCE, self.backbone.rows_at_once)
