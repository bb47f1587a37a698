"""Pair the images of a snapshot with captions or with worded class names. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.image_text.prompts import word_class
from train.image_text.recipe import CaptionSource

FEWEST = 2


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows of one split, each with the number of its caption among the distinct `captions`; `left_out` had none."""

    rows: list[SnapshotRow]
    captions: list[str]
    numbers: NDArray[np.int64]  # (N,)
    left_out: int

    @classmethod
    def of(cls, folder: SnapshotFolder, split: str, source: CaptionSource) -> "Pairs":
        """Pair the rows of a split with their captions, in the order of their digests; any number may have none."""
        rows = sorted(folder.rows(split), key=lambda row: (row.pixel_sha256, row.file_name))
        texts = [caption_of(row, source) for row in rows]
        kept = [(row, text) for row, text in zip(rows, texts, strict=True) if text]
        captions = sorted({text for _, text in kept})
        number = {text: position for position, text in enumerate(captions)}
        numbers = np.array([number[text] for _, text in kept], np.int64)
        return cls([row for row, _ in kept], captions, numbers, len(rows) - len(kept))


def caption_of(row: SnapshotRow, source: CaptionSource) -> str | None:
    """The caption of a row; a class name is worded by the template that the digest of its pixels chooses."""
    if source != "class-names" and row.caption:
        return row.caption
    if source == "captions":
        return None
    wordings = word_class(row.label)
    return wordings[int(row.pixel_sha256[:8], 16) % len(wordings)]


def check_training_pairs(folder: SnapshotFolder, pairs: Pairs, classes: Sequence[str]) -> None:
    """Raise BadInput where there are no captions, too few different ones, or none of some class."""
    if not pairs.rows:
        raise BadInput(
            f"snapshot {folder.name!r}: no training image has a caption. Import a column of them (`rounds import "
            "--caption-column COLUMN`), or word the class names: captions = class-names in the recipe, --captions."
        )
    if len(pairs.captions) < FEWEST:
        raise BadInput(
            f"snapshot {folder.name!r}: all {len(pairs.rows)} captions are the same, so nothing tells pairs apart."
        )
    without = sorted(set(classes) - {row.label for row in pairs.rows})
    if without:
        raise BadInput(
            f"snapshot {folder.name!r}: no training image of {', '.join(without)} has a caption, so nothing would be "
            "learnt of it. Give it captions, or word class names for images without: --captions "
            "captions-or-class-names."
        )
