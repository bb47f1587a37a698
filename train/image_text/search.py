"""Rank images by how well they fit words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.image_store import Pixels
from train.image_text.gallery import GalleryImage
from train.image_text.two_towers import TwoTowers

LONGEST_QUERY = 1_000


@dataclass(frozen=True, slots=True)
class Hit:
    """An image found, the cosine of its vector to that of the words, and its pixels (H, W, C)."""

    image: GalleryImage
    similarity: float
    pixels: Pixels


def check_query(query: str) -> str:
    """Return the words without space around them; raises BadInput for none, or far too many."""
    words = " ".join(query.split())
    if not words or len(words) > LONGEST_QUERY:
        raise BadInput(f"expected 1 to {LONGEST_QUERY} characters to search for, got {len(words)}.")
    return words


def search_images(
    towers: TwoTowers, query: str, chunks: Iterable[tuple[Sequence[GalleryImage], Pixels]], count: int
) -> list[Hit]:
    """Find the `count` images whose vectors are nearest to that of the words, the nearest first."""
    words = towers.texts([check_query(query)])[0]
    best: list[Hit] = []
    for images, pixels in chunks:
        similarity: NDArray[np.float32] = towers.images(pixels) @ words
        hits = [
            Hit(images[place], float(similarity[place]), pixels[place])
            for place in np.argsort(-similarity, kind="stable")[:count]
        ]
        best = sorted([*best, *hits], key=lambda hit: -hit.similarity)[:count]
    return best
