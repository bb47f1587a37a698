"""A snapshot in parts, as rounds of data come in, and the heads of runs in double precision."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from curation.snapshots.folder import SnapshotFolder
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.solve import Head


def part_of(folder: SnapshotFolder, path: Path, keep: Callable[[dict[str, Any]], bool]) -> SnapshotFolder:
    """Copy a snapshot with the rows that `keep` wants, under a digest of its own."""
    shutil.copytree(folder.path, path)
    labels = set()
    for metadata in path.glob("*/metadata.jsonl"):
        rows = [json.loads(line) for line in metadata.read_text().splitlines()]
        kept = [row for row in rows if keep(row)]
        labels |= {row["label"] for row in kept}
        metadata.write_text("".join(json.dumps(row) + "\n" for row in kept))
    classes = [name for name in folder.classes if name in labels]
    changes = {"name": path.name, "digest": path.name.ljust(64, "0"), "classes": classes}
    (path / "snapshot.json").write_text(json.dumps(dict(folder.manifest) | changes))
    return SnapshotFolder.open(path)


def head_of(run: Path) -> tuple[KeptSums, Head]:
    """The sums of a run and the head that follows from them, classes alike."""
    kept = KeptSums.read(run / KEPT_SUMS)
    return kept, kept.solve(np.ones(len(kept.train.classes)))[0]


def differ(first: Path, second: Path) -> float:
    """How far the heads of two runs are apart, relative to their largest weight."""
    ours, theirs = head_of(first)[1], head_of(second)[1]
    assert ours.penalty == theirs.penalty
    pairs = [(ours.weight, theirs.weight), (ours.bias, theirs.bias)]
    return max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in pairs)
