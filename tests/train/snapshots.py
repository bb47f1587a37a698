"""Small snapshot folders for tests: a bright square on noise, in a corner that depends on the class."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from curation.image_store import encode_png, pixel_sha256
from curation.snapshots.folder import FORMAT, SnapshotFolder, SnapshotRow, write_rows

CORNERS = {"upper": (2, 2), "lower": (20, 20), "centre": (11, 11)}


def make_image(label: str, number: int, channels: int = 1, bits: int = 8, strength: float = 0.5) -> np.ndarray:
    """Make one (32, 32, C) image of `label`; a number always gives the same image."""
    rng = np.random.default_rng([number, *label.encode()])
    image = rng.normal(0.3, 0.1, (32, 32, channels))
    top, left = np.array(CORNERS[label]) + rng.integers(-1, 2, 2)
    image[top : top + 9, left : left + 9] += strength
    full_scale = 65535 if bits == 16 else 255
    return (image.clip(0, 1) * full_scale).astype(np.uint16 if bits == 16 else np.uint8)


def write_snapshot(
    path: Path,
    per_class: dict[str, int],
    labels: Sequence[str] = ("upper", "lower"),
    subjects: str = "known",
    synthetic: Sequence[str] = (),
    duplicates: int = 0,
    notice: str | None = None,
    images_per_subject: int = 2,
    channels: int = 1,
    bits: int = 8,
    strength: float = 0.5,
) -> SnapshotFolder:
    """Write a snapshot: `per_class` images per split, training images of the labels `synthetic`, some rows twice."""
    path.mkdir(parents=True)
    number = 0
    for split, count in per_class.items():
        rows = []
        for label in labels:
            for index in range(count):
                number += 1
                subject = f"{split}-{label}-{index // images_per_subject}" if subjects == "known" else None
                pixels = make_image(label, number, channels, bits, strength)
                rows.append(_write_image(path, split, f"{number:05d}", label, subject, pixels, "real"))
        if split == "train":
            for index, label in enumerate(synthetic):
                pixels = make_image(label, 100_000 + index, channels, bits, strength)
                rows.append(_write_image(path, split, f"s{index:05d}", label, None, pixels, "synthetic"))
            for index, row in enumerate(rows[:duplicates]):
                content = (path / split / row.file_name).read_bytes()
                name = f"d{index:05d}.png"
                (path / split / name).write_bytes(content)
                rows.append(SnapshotRow(**(row.metadata() | {"file_name": name, "split": split})))
        write_rows(path, split, rows)
    manifest = {
        "format": FORMAT, "name": path.name, "classes": list(labels), "shape": [32, 32, channels], "bits": bits,
        "notice": notice, "subjects": subjects, "lineage": {"generators": []},
        "digest": hashlib.sha256(
            b"".join(file.read_bytes() for file in sorted(path.glob("*/metadata.jsonl")))
        ).hexdigest(),
    }  # fmt: skip
    (path / "snapshot.json").write_text(json.dumps(manifest))
    return SnapshotFolder.open(path)


def _write_image(
    path: Path, split: str, stem: str, label: str, subject: str | None, pixels: np.ndarray, origin: str
) -> SnapshotRow:
    directory = path / split
    directory.mkdir(exist_ok=True)
    content = encode_png(pixels)
    (directory / f"{stem}.png").write_bytes(content)
    why = "real training image" if origin == "real" else "approved"
    return SnapshotRow(
        f"{stem}.png",
        label,
        subject,
        origin,
        1.0,
        pixel_sha256(pixels),
        hashlib.sha256(content).hexdigest(),
        split,
        why,
    )


def mark_near_copies(folder: SnapshotFolder, **names: Sequence[str]) -> SnapshotFolder:
    """Say in `snapshot.json` which files of a held-out split look like training images; of the others none."""
    found = {"validation": [], "test": []} | {split: list(files) for split, files in names.items()}
    (folder.path / "snapshot.json").write_text(json.dumps(dict(folder.manifest) | {"near_copies": found}))
    return SnapshotFolder.open(folder.path)
