"""Draw the training images of a study's replicates anew, in halves that share no subject and no image.

Two replicates that follow each other split each arm's training images into two halves that share no subject and no
synthetic image, so they are trained on independent sets. An image or subject falls into the same half in every arm:
differences between arms are paired.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from curation.digests import digest_of
from curation.errors import BadInput
from curation.snapshots.folder import SnapshotFolder, SnapshotRow


@dataclass(frozen=True, slots=True)
class HalvedFolder(SnapshotFolder):
    """A snapshot of which a replicate takes one half of the training images; the held-out ones are all there."""

    replicate: int

    @property
    def digest(self) -> str:
        """The digest of the snapshot and of the half."""
        return digest_of([str(self.manifest["digest"]), "halves", self.replicate])

    def iter_rows(self, split: str) -> Iterator[SnapshotRow]:
        """Yield the rows of one split; of the training split those of this half."""
        rows = SnapshotFolder.iter_rows(self, split)
        if split != "train":
            yield from rows
            return
        kept = list(rows)
        half = choose_half(kept, self.replicate)
        yield from (row for row in kept if unit_of(row) in half)


def halved(folder: SnapshotFolder, replicate: int) -> SnapshotFolder:
    """Open the half of a snapshot that a replicate is trained on; raises BadInput where a class has one unit alone."""
    half = HalvedFolder(folder.path, folder.manifest, replicate)
    missing = sorted(set(folder.classes) - {row.label for row in half.rows("train")})
    if missing:
        raise BadInput(
            f"snapshot {folder.name!r} cannot be halved: a half would have no training image of {', '.join(missing)}. "
            "Expected two training subjects of each class or more. Pass --no-redraw, or import more subjects."
        )
    return half


def unit_of(row: SnapshotRow) -> str:
    """Name what a row is drawn with: its subject where it is real and has one, else its picture."""
    known = row.origin == "real" and row.subject is not None
    return f"subject {row.subject}" if known else f"picture {row.pixel_sha256}"


def choose_half(rows: Iterable[SnapshotRow], replicate: int) -> frozenset[str]:
    """Choose the units of one half, the same share of every kind; replicates 2p and 2p + 1 take what the other leaves.

    Units are of one kind when they are of one origin and show the same classes. Where a kind has an odd number, the
    halves take turns at the one that is over, so that they are of one size within one.
    """
    shows: dict[str, set[str]] = defaultdict(set)
    origin: dict[str, str] = {}
    for row in rows:
        shows[unit_of(row)].add(row.label)
        origin[unit_of(row)] = row.origin
    kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for unit, labels in shows.items():
        kinds[(origin[unit], *sorted(labels))].append(unit)
    pair, side = divmod(replicate, 2)
    half: set[str] = set()
    for turn, kind in enumerate(sorted(kinds)):
        shuffled = sorted(kinds[kind], key=lambda unit: _place(unit, pair))
        half |= set(shuffled[(side + turn) % 2 :: 2])
    return frozenset(half)


def _place(unit: str, pair: int) -> str:
    """Place a unit in the order of one pair of replicates; it does not depend on what else there is to draw."""
    return hashlib.sha256(f"{pair} {unit}".encode()).hexdigest()
