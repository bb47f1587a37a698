"""The order in which a reader reads a worklist: their own permutation, computed and never stored.

In random order each reader has another permutation, so that fatigue and learning do not fall on the same images for
everyone. It is a four-round Feistel network over the next power of four, repeated until the result is a place of the
worklist (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"): any stretch can be computed alone.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.reading.recipe import WorklistRecipe

ROUNDS = 4

Places = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class ReadingOrder:
    """A permutation of the places 0 to `size` - 1; without a key they come in ascending order."""

    size: int
    key: bytes | None

    def places(self, start: int, count: int) -> list[int]:
        """Return `count` places of the order from number `start` on; fewer at the end."""
        numbers = np.arange(start, min(start + count, self.size), dtype=np.uint64)
        if self.key is not None and len(numbers):
            numbers = self._permuted(numbers)
        return [int(place) for place in numbers]

    def _permuted(self, numbers: Places) -> Places:
        assert self.key is not None
        half = max(1, (max(1, self.size - 1).bit_length() + 1) // 2)
        keys = np.frombuffer(hashlib.sha256(self.key).digest(), dtype="<u8")[:ROUNDS]
        places = _feistel(numbers, half, keys)
        outside = places >= self.size
        while outside.any():
            places[outside] = _feistel(places[outside], half, keys)
            outside = places >= self.size
        return places


def _feistel(numbers: Places, half: int, keys: Places) -> Places:
    width, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = numbers >> width, numbers & mask
    for key in keys:
        left, right = right, left ^ (_mixed(right ^ key) & mask)
    return (left << width) | right


def _mixed(values: Places) -> Places:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), modulo 2**64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def order_of(worklist_id: int, size: int, recipe: WorklistRecipe, reader_id: int) -> ReadingOrder:
    """Return a reader's order: their own permutation where the recipe says random, else ascending."""
    if recipe.order != "random":
        return ReadingOrder(size, None)
    return ReadingOrder(size, f"{recipe.seed}:{worklist_id}:{reader_id}".encode())


def share_of(key: str) -> float:
    """Hash `key` to a number in [0, 1): it draws a share of images, and nothing has to be stored."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big") / 2**56
