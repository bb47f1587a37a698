"""A snapshot as a folder: images and `metadata.jsonl` per split, `snapshot.json` beside them.

The layout is the Hugging Face `imagefolder` one, so `datasets.load_dataset("imagefolder", data_dir=...)` opens it.
Generator fits and training read this folder and never the database.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curation.digests import is_sha256
from curation.errors import BadInput, Conflict, NotFound
from curation.files import whole_file, whole_folder
from curation.image_store import decode_png
from curation.provenance.tombstones import Tombstones
from curation.provenance.value_scales import ValueScale, explain_mix, explain_units
from curation.snapshots.content import Content, ContentDigest

FORMAT = "rounds-snapshot/1"
SPLITS = ("train", "validation", "test")
ABSENT: Mapping[str, str | int] = {"subject": "", "generator": "", "batch": "", "index": -1}


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
    text: str | None = None  # the caption, "" where there is none; None in a snapshot without captions
    text_sha256: str | None = None  # of the caption: it outlives one that a purge took out

    @property
    def caption(self) -> str | None:
        """The caption, where there is one."""
        return self.text or None

    def metadata(self) -> dict[str, Any]:
        """Give the row as `metadata.jsonl` holds it; the split is its folder.

        What does not apply is "" or -1 there: a column of nulls has no type, and `datasets` refuses splits whose
        columns differ in type.
        """
        row = {name: getattr(self, name) for name in _COLUMNS if name not in _CAPTION or self.text is not None}
        return row | {key: value for key, value in ABSENT.items() if row[key] is None}

    def content(self) -> Content:
        """Give what the snapshot's digest covers of this row."""
        known = self.split, self.file_name, self.pixel_sha256, self.label, self.subject or "", self.weight
        return known if self.text_sha256 is None else (*known, self.text_sha256)

    @classmethod
    def from_metadata(cls, row: dict[str, Any], split: str) -> Self:
        """Read a row that `metadata` wrote."""
        values: dict[str, Any] = {key: None if value == ABSENT.get(key) else value for key, value in row.items()}
        return cls(**values, split=split)


_CAPTION = ("text", "text_sha256")
_COLUMNS = tuple(column.name for column in fields(SnapshotRow) if column.name != "split")


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
        """The name of the snapshot."""
        return str(self.manifest["name"])

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return str(self.manifest["digest"])

    @property
    def classes(self) -> list[str]:
        """Class names; the position is the class index."""
        return list(self.manifest["classes"])

    @property
    def notice(self) -> str | None:
        """The notice to show wherever its images are shown, if there is one."""
        return self.manifest.get("notice")

    @property
    def subjects(self) -> str:
        """`known` or `unknown`: without subject ids intervals are image-level and claims are refused."""
        return str(self.manifest["subjects"])

    @property
    def lineage(self) -> Mapping[str, Any]:
        """The generators and the readings behind the snapshot, as the manifest has them."""
        return dict(self.manifest["lineage"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        height, width, channels = self.manifest["shape"]
        return height, width, channels

    @property
    def bits(self) -> int:
        """Bits of a value: 8 or 16."""
        return int(self.manifest["bits"])

    @property
    def mixed_scales(self) -> str | None:
        """Say that its real images are on several scales, where they are; None for a snapshot of an earlier version."""
        return explain_mixed_scales(self.manifest)

    @property
    def captioned(self) -> bool:
        """Whether images have captions: then `metadata.jsonl` has the columns `text` and `text_sha256`."""
        return bool(self.manifest.get("captions"))

    def near_copies(self, split: str) -> frozenset[str] | None:
        """Name the files of a held-out split that look like a training image of another subject.

        None when the folder was built before they were searched.
        """
        names = self.manifest.get("near_copies")
        return None if names is None else frozenset(names[split])

    def rows(self, split: str) -> list[SnapshotRow]:
        """List the rows of one split in the order of the file; an absent split is empty."""
        return list(self.iter_rows(split))

    def iter_rows(self, split: str) -> Iterator[SnapshotRow]:
        """Yield the rows of one split one by one, so that memory does not grow with the snapshot."""
        if split not in SPLITS:
            raise BadInput(f"expected a split of {', '.join(SPLITS)}, got {split!r}.")
        metadata = self.path / split / "metadata.jsonl"
        if not metadata.is_file():
            return
        with metadata.open() as lines:
            for line in lines:
                row = SnapshotRow.from_metadata(json.loads(line), split)
                if not is_sha256(row.pixel_sha256):
                    raise BadInput(
                        f"{metadata}: expected in pixel_sha256 64 digits of 0-9 and a-f, got {row.pixel_sha256!r}. "
                        "Fetch the snapshot again: its images could not be compared with others."
                    )
                yield row

    def pixels(self, rows: Sequence[SnapshotRow]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Decode `rows`: (N, H, W, C), uint8 or uint16 by the snapshot's bit depth."""
        height, width, channels = self.shape
        images = np.empty((len(rows), height, width, channels), np.uint16 if self.bits == 16 else np.uint8)
        self.refuse_purged(rows)
        for position, row in enumerate(rows):
            images[position] = decode_png((self.path / row.split / row.file_name).read_bytes())
        return images

    @property
    def tombstones(self) -> Tombstones:
        """Read what was withdrawn since the snapshot was built."""
        return Tombstones.read(self.path)

    @property
    def affected(self) -> list[str]:
        """Note the withdrawals that affect it, by its own images or through a generator of its synthetic ones."""
        through = (entry.get("affected") for entry in self.lineage.get("generators", ()))
        return sorted({*self.tombstones.notes, *(line for line in through if line)})

    def refuse_purged(self, rows: Sequence[SnapshotRow]) -> None:
        """Raise BadInput where a picture of these rows was removed with a withdrawn subject."""
        purged = self.tombstones.purged
        removed = sum(f"{row.split}/{row.file_name}" in purged for row in rows) if purged else 0
        if removed:
            raise BadInput(
                f"{removed} images of snapshot {self.name!r} were removed with a withdrawn subject. Build it again "
                "under another name: `rounds withdraw --list` has the plan."
            )

    def labels(self, rows: Sequence[SnapshotRow]) -> NDArray[np.int64]:
        """Give the class indexes of `rows`: (N,) int64."""
        index = {name: position for position, name in enumerate(self.classes)}
        return np.array([index[row.label] for row in rows], dtype=np.int64)


def explain_mixed_scales(manifest: Mapping[str, Any]) -> str | None:
    """Say that the real images of a manifest are on several scales, or in several units; None where all are on one."""
    scales = {
        ValueScale(manifest["bits"], entry["slope"], entry["intercept"], entry.get("unit") or ""): entry["images"]
        for entry in manifest.get("value_scales", ())
    }
    settled = "Import them into a new project with --window CENTRE:WIDTH to bring all to one."
    return " ".join(filter(None, [explain_mix(scales, settled), explain_units(scales)])) or None


def caption_digest(text: str | None) -> str | None:
    """Compute SHA-256 of a caption; "" where there is none, None in a snapshot without captions."""
    return hashlib.sha256(text.encode()).hexdigest() if text else text


def purge_captions(folder: Path, split: str, file_names: Iterable[str]) -> None:
    """Take the captions of some files out of `metadata.jsonl`, whole or not at all; their digests stay."""
    path, purged = folder / split / "metadata.jsonl", frozenset(file_names)
    with path.open() as lines, whole_file(path) as partial, partial.open("w") as file:
        for line in lines:
            row = json.loads(line)
            if row["file_name"] in purged and row.get("text"):
                line = json.dumps(row | {"text": ""}, sort_keys=True) + "\n"
            file.write(line)


def write_rows(folder: Path, split: str, rows: Iterable[SnapshotRow]) -> None:
    """Write `metadata.jsonl` of one split, sorted by file name so that the bytes do not depend on insertion order."""
    write_rows_in_order(folder, split, sorted(rows, key=lambda row: row.file_name))


def write_rows_in_order(folder: Path, split: str, rows: Iterable[SnapshotRow]) -> None:
    """Write `metadata.jsonl` of one split from rows that come sorted by file name, as they come."""
    directory = folder / split
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "metadata.jsonl").open("w") as file:
        file.writelines(json.dumps(row.metadata(), sort_keys=True) + "\n" for row in rows)


def content_digest(rows: Iterable[SnapshotRow], classes: Sequence[str]) -> str:
    """Compute SHA-256 over the sorted rows and the classes, whatever the order of the images."""
    content = ContentDigest(classes)
    for row in sorted(rows, key=lambda row: (row.split, row.file_name)):
        content.add(row.content())
    return content.hexdigest()


def export_folder(folder: SnapshotFolder, target: Path) -> Path:
    """Copy a snapshot to a new directory; raises Conflict when something is there."""
    if target.exists():
        raise Conflict(f"{target} exists already. Choose a new directory.")
    with whole_folder(target) as partial:
        shutil.copytree(folder.path, partial, dirs_exist_ok=True)
    return target
