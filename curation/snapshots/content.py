"""Compute the digest of a snapshot over its classes and rows, in memory that does not grow."""

import hashlib
from collections.abc import Sequence

from curation.digests import canonical_json

# Split, file name, pixel digest, label, subject or "", weight; in a snapshot with captions also their digest.
Content = tuple[str, str, str, str, str, float] | tuple[str, str, str, str, str, float, str]


class ContentDigest:
    """SHA-256 over the rows and the classes of a snapshot, row by row.

    Rows come by split in alphabetical order, then by file name; those that share a name are sorted here. The digest is
    that of the canonical JSON of all rows sorted, without ever holding it.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._sha256 = hashlib.sha256(b'{"classes":' + canonical_json(list(classes)) + b',"rows":[')
        self._same: list[Content] = []
        self._separator = b""

    def add(self, content: Content) -> None:
        """Take the next row."""
        if self._same and self._same[0][:2] != content[:2]:
            self._flush()
        self._same.append(content)

    def hexdigest(self) -> str:
        """Finish the digest of all rows; nothing may be added after it."""
        self._flush()
        self._sha256.update(b"]}")
        return self._sha256.hexdigest()

    def _flush(self) -> None:
        for content in sorted(self._same):
            self._sha256.update(self._separator + canonical_json(content))
            self._separator = b","
        self._same = []
