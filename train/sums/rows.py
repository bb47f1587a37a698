"""The images behind the sums of a run: their features, labels, weights, subjects and digests.

They stay with the run, so that a subject can be taken out of its sums exactly when the pictures and the cached features
are gone already. A subject's rows are its own data, and go with it. Torch-free.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from curation.errors import Conflict
from train.sums.sums import Floats, Sums


class SummedImage(NamedTuple):
    """One image in sums: its split, its label, its subject (None: synthetic or unknown), its pixels, its origin."""

    split: str
    label: str
    subject: str | None
    pixel_sha256: str
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features (N, D) float32 and weights (N,) of images."""

    images: tuple[SummedImage, ...]
    features: NDArray[np.float32]
    weights: Floats

    def __len__(self) -> int:
        return len(self.images)

    def chosen(self, keep: NDArray[np.bool_]) -> Self:
        """The rows where `keep` (N,) is true."""
        images = tuple(image for image, kept in zip(self.images, keep, strict=True) if kept)
        return type(self)(images, self.features[keep], self.weights[keep])

    def of_split(self, split: str) -> Self:
        """The rows of one split."""
        return self.chosen(np.array([image.split == split for image in self.images], bool))

    def show(self, subjects: Collection[str], pixel_sha256: Collection[str]) -> NDArray[np.bool_]:
        """Tell which rows are of one of these subjects, or of no named one and have one of these pixels (N,)."""
        shown = [
            image.subject in subjects if image.subject else image.pixel_sha256 in pixel_sha256 for image in self.images
        ]
        return np.array(shown, bool)

    def new_to(self, known: Self) -> Self:
        """Leave out the images that `known` has; copies within one set stay.

        Raises Conflict for an image that `known` has with another label, or in another split.
        """
        places = {image.pixel_sha256: (image.label, image.split) for image in known.images}
        moved = [image for image in self.images if places.get(image.pixel_sha256, image[1::-1]) != image[1::-1]]
        if moved:
            raise Conflict(
                f"{len(moved)} images are in the sums already with another label or split, the first as "
                f"{'/'.join(places[moved[0].pixel_sha256])} and now {moved[0].label}/{moved[0].split}. Train anew on "
                "the new snapshot instead of continuing."
            )
        return self.chosen(np.array([image.pixel_sha256 not in places for image in self.images], bool))

    def joined(self, other: Self) -> Self:
        """Put other rows behind these."""
        features = np.concatenate([self.features, other.features])
        return type(self)(self.images + other.images, features, np.concatenate([self.weights, other.weights]))

    def sums(self, classes: Sequence[str]) -> Sums:
        """Sum the rows over `classes`."""
        index = {name: place for place, name in enumerate(classes)}
        labels = np.array([index[image.label] for image in self.images], np.int64)
        return Sums.of(self.features, labels, self.weights, classes)

    def units(self) -> Iterator[NDArray[np.int64]]:
        """Yield the places of each subject's rows; an image without a subject stands for itself."""
        places: dict[str, list[int]] = {}
        for place, image in enumerate(self.images):
            places.setdefault(f"s:{image.subject}" if image.subject else f"p:{image.pixel_sha256}", []).append(place)
        for unit in places.values():
            yield np.array(unit, np.int64)

    def as_columns(self) -> dict[str, list[Any]]:
        """The images as columns for a file."""
        return {name: [getattr(image, name) for image in self.images] for name in SummedImage._fields}

    @classmethod
    def from_columns(cls, columns: dict[str, list[Any]], features: NDArray[np.float32], weights: Floats) -> Self:
        """Read what `as_columns` wrote."""
        entries = zip(*(columns[name] for name in SummedImage._fields), strict=True)
        return cls(tuple(SummedImage(*entry) for entry in entries), features, weights)
