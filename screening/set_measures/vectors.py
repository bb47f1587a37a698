"""Features and spectra of the images of a measurement, and the random choice of one image a subject."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.progress import OnProgress
from curation.project import Project
from screening.features.feature_file import FeatureFile
from screening.features.spread import refuse_constant_features
from screening.set_measures.scope import ImageSet
from screening.set_measures.sets import DrawnImage, RealImage, Sets
from screening.set_measures.spectrum import radial_spectra
from train.backbones.load import Backbone
from train.backbones.pooling import class_token_width
from train.features.feature_cache import FeatureCache


@dataclass(frozen=True, slots=True)
class SetVectors:
    """Features and spectra of generated, training and validation images, in the order of the sets.

    The first `class_token` features are the class token's, where the backbone has one beside the patches.
    """

    drawn: ImageSet
    train: ImageSet
    validation: ImageSet
    class_token: int | None


def vectors_of(project: Project, sets: Sets, backbone: Backbone, report: OnProgress) -> SetVectors:
    """Read the vectors of the sets; those not kept yet are computed.

    Raises BadInput where the features of the training images do not vary: every distance would be 0 of no width.
    """
    first = project.store.pixels(sets.drawn[0].file_sha256)
    height, width = first.shape[:2]
    directory = project.directory("embeddings")
    features = FeatureCache(backbone, directory)
    spectra = FeatureFile(
        directory,
        f"radial-spectra-1-{height}x{width}",
        min(height, width) // 2,
        lambda pixels: radial_spectra(pixels).astype(np.float32),
    )

    def image_set(images: Sequence[DrawnImage] | Sequence[RealImage]) -> ImageSet:
        digests = [image.file_sha256 for image in images]
        embedded = features.of_stored(project.store, images, report).astype(np.float64)
        return ImageSet(embedded, spectra.features(project.store, digests, report).astype(np.float64))

    train = image_set(sets.train)
    refuse_constant_features(train.features, "real training images")
    width = class_token_width(backbone.pooling, backbone.dimension)
    return SetVectors(image_set(sets.drawn), train, image_set(sets.validation), width)


def one_a_subject(images: Sequence[RealImage], positions: Sequence[int], seed: int) -> list[int]:
    """One of these positions for each subject, in random order: slices of one subject are not independent."""
    taken: dict[int, int] = {}
    for place in np.random.default_rng([seed, len(positions)]).permutation(len(positions)).tolist():
        taken.setdefault(images[positions[place]].subject_id, positions[place])
    return list(taken.values())


def shuffled(positions: Sequence[int], seed: int) -> list[int]:
    """Return the positions in random order."""
    return [positions[place] for place in np.random.default_rng([seed, 1]).permutation(len(positions)).tolist()]
