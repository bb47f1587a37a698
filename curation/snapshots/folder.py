"""The snapshot as a folder a stranger can use: images and `metadata.jsonl` per split, `snapshot.json` beside them.

The layout is the Hugging Face `imagefolder` one, so `datasets.load_dataset("imagefolder", data_dir=...)` opens it.
Generator fits and training read this folder and never the database.
"""

import hashlib
import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curation.audit import digest_of
from curation.errors import BadInput, Conflict, NotFound
from curation.image_store import decode_png, pixel_sha256
from curation.snapshots.tombstones import Tombstones

FORMAT = "rounds-snapshot/1"
SPLITS = ("train", "validation", "test")
ABSENT: Mapping[str, str | int] = {"subject": "", "generator": "", "batch": "", "index": -1}

Report = Callable[[int, int, str | None], None]


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One image of a snapshot: where it is, what it shows, where it came from."""

    file_name: str
    label: str
    subject: str | None
    origin: str
    weight: float
    pixel_sha256: str
    file_sha256: str
    split: str
    why: str
    generator: str | None = None
    batch: str | None = None
    index: int | None = None

    def metadata(self) -> dict[str, Any]:
        """The row as `metadata.jsonl` holds it; the split is the folder it stands in.

        What does not apply is "" or -1 there: a column of nulls has no type, and `datasets` refuses splits whose
        columns differ in type.
        """
        row = asdict(self)
        del row["split"]
        return row | {key: value for key, value in ABSENT.items() if row[key] is None}

    @classmethod
    def from_metadata(cls, row: dict[str, Any], split: str) -> Self:
        """The row that `metadata` wrote."""
        values: dict[str, Any] = {key: None if value == ABSENT.get(key) else value for key, value in row.items()}
        return cls(**values, split=split)


@dataclass(frozen=True, slots=True)
class SnapshotFolder:
    """An opened snapshot folder; nothing is read from the images until `pixels` is called."""

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the folder at `path`; raises NotFound or BadInput when it is not a snapshot."""
        path = Path(path)
        manifest_path = path / "snapshot.json"
        if not manifest_path.is_file():
            raise NotFound(
                f"{path} is not a snapshot: expected snapshot.json in it. `rounds snapshot list` shows those built."
            )
        manifest = json.loads(manifest_path.read_text())
        if manifest.get("format") != FORMAT:
            raise BadInput(f"{manifest_path}: expected format {FORMAT!r}, got {manifest.get('format')!r}.")
        return cls(path, manifest)

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def digest(self) -> str:
        return str(self.manifest["digest"])

    @property
    def classes(self) -> list[str]:
        """Class names; the position is the class index."""
        return list(self.manifest["classes"])

    @property
    def notice(self) -> str | None:
        return self.manifest.get("notice")

    @property
    def subjects(self) -> str:
        """`known` or `unknown`: without subject ids intervals are image-level and claims are refused."""
        return str(self.manifest["subjects"])

    @property
    def lineage(self) -> Mapping[str, Any]:
        return dict(self.manifest["lineage"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        height, width, channels = self.manifest["shape"]
        return height, width, channels

    @property
    def bits(self) -> int:
        return int(self.manifest["bits"])

    def rows(self, split: str) -> list[SnapshotRow]:
        """The rows of one split in the order of the file; an absent split is empty."""
        if split not in SPLITS:
            raise BadInput(f"expected a split of {', '.join(SPLITS)}, got {split!r}.")
        metadata = self.path / split / "metadata.jsonl"
        if not metadata.is_file():
            return []
        with metadata.open() as lines:
            return [SnapshotRow.from_metadata(json.loads(line), split) for line in lines]

    def pixels(self, rows: Sequence[SnapshotRow]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Decode `rows`: (N, H, W, C), uint8 or uint16 by the snapshot's bit depth."""
        height, width, channels = self.shape
        images = np.empty((len(rows), height, width, channels), np.uint16 if self.bits == 16 else np.uint8)
        self._refuse_purged(rows)
        for position, row in enumerate(rows):
            images[position] = decode_png((self.path / row.split / row.file_name).read_bytes())
        return images

    @property
    def tombstones(self) -> Tombstones:
        """What was withdrawn since the snapshot was built."""
        return Tombstones.read(self.path)

    @property
    def affected(self) -> list[str]:
        """Lines that say which withdrawals reach it, by its own images or through a generator of its synthetic ones."""
        through = (entry.get("affected") for entry in self.lineage.get("generators", ()))
        return sorted({*self.tombstones.words, *(line for line in through if line)})

    def _refuse_purged(self, rows: Sequence[SnapshotRow]) -> None:
        purged = self.tombstones.purged
        gone = sum(f"{row.split}/{row.file_name}" in purged for row in rows) if purged else 0
        if gone:
            raise BadInput(
                f"{gone} images of snapshot {self.name!r} were removed with a withdrawn subject. Build it again under "
                "another name: `rounds withdraw --list` has the plan."
            )

    def labels(self, rows: Sequence[SnapshotRow]) -> NDArray[np.int64]:
        """Class indexes of `rows`: (N,) int64."""
        index = {name: position for position, name in enumerate(self.classes)}
        return np.array([index[row.label] for row in rows], dtype=np.int64)


def write_rows(folder: Path, split: str, rows: Iterable[SnapshotRow]) -> None:
    """Write `metadata.jsonl` of one split, sorted by file name so that the bytes do not depend on insertion order."""
    directory = folder / split
    directory.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row.metadata(), sort_keys=True) + "\n" for row in sorted(rows, key=lambda row: row.file_name)]
    (directory / "metadata.jsonl").write_text("".join(lines))


def content_digest(rows: list[SnapshotRow], classes: list[str]) -> str:
    """SHA-256 over the sorted rows and the classes: independent of the order in which images came or were chosen."""
    content = sorted(
        (row.split, row.file_name, row.pixel_sha256, row.label, row.subject or "", row.weight) for row in rows
    )
    return digest_of({"classes": classes, "rows": content})


def counts_of(rows: list[SnapshotRow]) -> dict[str, dict[str, int]]:
    """Images by split, then by `label, origin`."""
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for row in rows:
        counts[row.split][f"{row.label}, {row.origin}"] += 1
    return {split: dict(sorted(counter.items())) for split, counter in counts.items()}


def verify_folder(folder: SnapshotFolder, report: Report) -> list[str]:
    """Hold every file, row and count of a snapshot folder against its digests; returns what is wrong.

    A picture that was purged with a withdrawn subject is expected to be absent.
    """
    rows = [row for split in SPLITS for row in folder.rows(split)]
    purged = folder.tombstones.purged
    faults = []
    if content_digest(rows, folder.classes) != folder.digest:
        faults.append("metadata.jsonl does not give the digest in snapshot.json: a row was changed, added or removed")
    for done, row in enumerate(rows, 1):
        if f"{row.split}/{row.file_name}" not in purged:
            faults += _file_faults(folder.path / row.split / row.file_name, row)
        report(done, len(rows), None)
    listed = {f"{row.split}/{row.file_name}" for row in rows}
    found = {f"{split}/{path.name}" for split in SPLITS for path in (folder.path / split).glob("*.png")}
    faults += [f"{name} is in the folder but in no row" for name in sorted(found - listed)]
    faults += [f"{name} was purged with a withdrawn subject and is there again" for name in sorted(purged & found)]
    return faults


def _file_faults(path: Path, row: SnapshotRow) -> list[str]:
    name = f"{row.split}/{row.file_name}"
    if not path.is_file():
        return [f"{name} is missing"]
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != row.file_sha256:
        return [f"{name} was changed: its bytes no longer give the digest of its row"]
    if pixel_sha256(decode_png(content)) != row.pixel_sha256:
        return [f"{name}: its pixels do not give the digest of its row"]
    return []


def export_folder(folder: SnapshotFolder, target: Path) -> Path:
    """Copy a snapshot to a new directory; raises Conflict when something is there."""
    if target.exists():
        raise Conflict(f"{target} exists already. Choose a new directory.")
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    shutil.copytree(folder.path, partial)
    partial.rename(target)
    return target
