"""Check a snapshot folder against the digests it carries."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from curation.image_store import decode_png, pixel_sha256
from curation.progress import OnProgress
from curation.snapshots.content import ContentDigest
from curation.snapshots.folder import SPLITS, SnapshotFolder, SnapshotRow, caption_digest

REPORT_EVERY = 100


def verify_folder(folder: SnapshotFolder, report: OnProgress) -> list[str]:
    """Check every file, row and count of a snapshot folder against its digests; return what is wrong.

    A picture that was purged with a withdrawn subject is expected to be absent.
    """
    content, faults, done = ContentDigest(folder.classes), [], 0
    purged = folder.tombstones.purged
    total = sum(_count_lines(folder.path / split / "metadata.jsonl") for split in SPLITS)
    for split in sorted(SPLITS):
        present = 0
        last = None
        for row in folder.iter_rows(split):
            content.add(row.content())
            place, path = f"{split}/{row.file_name}", folder.path / split / row.file_name
            file_faults = _purged_faults(path, place) if place in purged else _file_faults(path, row)
            faults += file_faults
            done += 1
            if row.file_name != last:
                present += path.is_file() if place in purged else f"{place} is missing" not in file_faults
            last = row.file_name
            if done % REPORT_EVERY == 0 or done == total:
                report(done, total, None)
        if sum(1 for _ in _picture_names(folder.path / split)) != present:
            faults += _unlisted_pictures(folder, split)
    if content.hexdigest() != folder.digest:
        faults.insert(
            0, "metadata.jsonl does not give the digest in snapshot.json: a row was changed, added or removed"
        )
    return faults


def _count_lines(path: Path) -> int:
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _picture_names(directory: Path) -> Iterator[str]:
    """Yield the names of the pictures in a directory that may be absent; `glob` would list them in memory first."""
    if directory.is_dir():
        with os.scandir(directory) as entries:
            yield from (entry.name for entry in entries if entry.name.endswith(".png"))


def _unlisted_pictures(folder: SnapshotFolder, split: str) -> list[str]:
    """Name the pictures that no row names; only a faulty folder needs all names in memory."""
    listed = {row.file_name for row in folder.iter_rows(split)}
    unlisted = sorted(set(_picture_names(folder.path / split)) - listed)
    return [f"{split}/{name} is in the folder but in no row" for name in unlisted]


def _purged_faults(path: Path, place: str) -> list[str]:
    return [f"{place} was purged with a withdrawn subject and is there again"] if path.is_file() else []


def _file_faults(path: Path, row: SnapshotRow) -> list[str]:
    name = f"{row.split}/{row.file_name}"
    if not path.is_file():
        return [f"{name} is missing"]
    if caption_digest(row.text) != row.text_sha256:
        return [f"{name}: its caption was changed: it does not give the digest of its row"]
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != row.file_sha256:
        return [f"{name} was changed: its bytes no longer give the digest of its row"]
    if pixel_sha256(decode_png(content)) != row.pixel_sha256:
        return [f"{name}: its pixels do not give the digest of its row"]
    return []
