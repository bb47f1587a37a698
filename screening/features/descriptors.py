"""Descriptors of images for the checks: features, measures, fingerprints, appearance and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curation.image_store import Pixels
from curation.near_copies.fingerprints import WIDTH as PRINT_WIDTH
from curation.near_copies.fingerprints import fingerprints
from curation.progress import OnProgress
from curation.project import Project
from screening.features.appearance import WIDTH as APPEARANCE_WIDTH
from screening.features.appearance import appearance, split_appearance
from screening.features.feature_file import FeatureFile
from screening.features.neighbours import Features
from screening.features.technical import MEASURES, technical_measures
from train.backbones.grid import features_with_grid
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache, ImageDigests
from train.features.grid_file import stored_grids

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Descriptors of N images, row by row; a label is the one class asked for, or of a real image, or None."""

    features: Features
    grid: Features  # of the backbone too, with place; (N, 0) where it has none
    measures: Floats
    prints: Features
    spectra: Floats
    levels: Floats
    labels: list[str | None]

    @classmethod
    def of_pixels(cls, backbone: Backbone, pixels: Pixels, labels: Sequence[str | None]) -> Self:
        """Descriptors of images (N, H, W, C) that are stored nowhere."""
        spectra, levels = split_appearance(appearance(pixels))
        # As float32, which is what a feature file keeps of stored images.
        measured = technical_measures(pixels).astype(np.float32)
        features, grid = features_with_grid(backbone, pixels)
        return cls(features, grid, measured, fingerprints(pixels), spectra, levels, list(labels))

    def rows(self, which: Floats | Sequence[int]) -> "Descriptors":
        """Descriptors of some images, by positions or by a mask."""
        positions = np.arange(len(self.labels))[which]
        return Descriptors(
            features=self.features[positions],
            grid=self.grid[positions],
            measures=self.measures[positions],
            prints=self.prints[positions],
            spectra=self.spectra[positions],
            levels=self.levels[positions],
            labels=[self.labels[position] for position in positions],
        )


@dataclass(frozen=True, slots=True)
class DescriptorFiles:
    """The files that keep descriptors of stored images, each computed once."""

    project: Project
    of_features: FeatureCache
    of_pixels: FeatureFile
    of_appearance: FeatureFile

    @classmethod
    def of(cls, project: Project, backbone: Backbone) -> Self:
        """Features by the backbone's digest and that of the pixels; the others by the file."""
        directory = project.directory("embeddings")
        return cls(
            project,
            FeatureCache(backbone, directory),
            pixel_fact_file(directory),
            FeatureFile(directory, "appearance-1", APPEARANCE_WIDTH, appearance),
        )

    def descriptors(
        self, images: Sequence[ImageDigests], labels: Sequence[str | None], report: OnProgress
    ) -> Descriptors:
        """Descriptors of stored images, in the order asked."""
        digests = [image.file_sha256 for image in images]
        grid = stored_grids(self.of_features.backbone, self.of_pixels.directory, self.project.store, images, report)
        features = self.of_features.of_stored(self.project.store, images, report)
        measured, prints = split_pixel_facts(self.of_pixels.features(self.project.store, digests, report))
        spectra, levels = split_appearance(self.of_appearance.features(self.project.store, digests, report))
        return Descriptors(features, grid, measured, prints, spectra, levels, list(labels))

    def prints(self, digests: Sequence[str], report: OnProgress) -> Features:
        """Fingerprints of stored images, in the order asked."""
        return split_pixel_facts(self.of_pixels.features(self.project.store, digests, report))[1]


def pixel_fact_file(directory: Path) -> FeatureFile:
    """The file of technical measures and fingerprints side by side; `split_pixel_facts` parts them."""
    return FeatureFile(directory, "pixel-facts-1", len(MEASURES) + PRINT_WIDTH, _pixel_facts)


def _pixel_facts(pixels: Pixels) -> Features:
    return np.concatenate([technical_measures(pixels).astype(np.float32), fingerprints(pixels)], axis=1)


def split_pixel_facts(facts: Features) -> tuple[NDArray[np.float32], Features]:
    """Measures (N, 5) and fingerprints (N, 1024)."""
    return facts[:, : len(MEASURES)], facts[:, len(MEASURES) :]
