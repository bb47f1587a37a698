"""Select the images of a snapshot that an export takes, in a fixed order.

Real images stay unless the curator says that they leave. Every file is held against its digest as it is read.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from curation.errors import BadInput, Damaged
from curation.exports.image_facts import image_facts
from curation.exports.permission import check_may_leave
from curation.exports.pseudonyms import ExportPseudonyms, is_simulated
from curation.image_store import Pixels, decode_png
from curation.ingest.incoming import Geometry
from curation.project import EXPORT_KEY, Project
from curation.queries import chunks
from curation.snapshots.build import find_snapshot, list_snapshots
from curation.snapshots.folder import SPLITS, SnapshotFolder, SnapshotRow
from curation.tables.images import Origin

Counts: TypeAlias = dict[str, dict[str, dict[str, int]]]  # split -> origin -> label -> images


@dataclass(frozen=True, slots=True)
class ExportItem:
    """One exported image: the stem of its file, its row, the name of its subject, its geometry and masks."""

    name: str
    row: SnapshotRow
    subject: str
    simulated: bool
    geometry: Geometry
    masks: tuple[tuple[str, str], ...]  # (name, file digest in the store)
    approved_by: str  # "people", "proxy", or "" where no approval was asked for

    @property
    def is_artificial(self) -> bool:
        """Tell whether anything of it was made rather than acquired: drawn, altered on purpose, or simulated."""
        return self.row.origin != Origin.REAL.value or self.simulated


@dataclass(frozen=True)
class Selection:
    """The images of a finished snapshot that an export takes."""

    project: Project
    snapshot_id: int
    folder: SnapshotFolder
    include_real: bool
    pseudonyms: ExportPseudonyms
    readings: frozenset[int]  # that the snapshot froze
    stale: bool

    def rows(self) -> Iterator[tuple[str, SnapshotRow]]:
        """Yield every exported row with the stem of its file; numbers do not depend on what is left out."""
        numbers: Counter[str] = Counter()
        for split in SPLITS:
            for row in self.folder.iter_rows(split):
                numbers[row.origin] += 1
                if self.include_real or row.origin != Origin.REAL.value:
                    yield f"{row.origin}-{numbers[row.origin]:06d}", row

    def items(self) -> Iterator[ExportItem]:
        """Yield every exported image without its pixels, with one chunk of them in memory at a time."""
        for chunk in chunks(self.rows()):
            with self.project.database.read() as session:
                known = image_facts(session, self.snapshot_id, [row for _, row in chunk], self.readings)
            for (name, row), facts in zip(chunk, known, strict=True):
                simulated = is_simulated(facts.import_source, row.subject)
                subject = self._public(row.subject, simulated)
                yield ExportItem(name, row, subject, simulated, facts.geometry, facts.masks, facts.approved_by)

    def _public(self, subject: str | None, simulated: bool) -> str:
        if subject is None:
            return ""
        return subject if simulated else self.pseudonyms.subject(subject)

    def content(self, row: SnapshotRow) -> bytes:
        """Read the PNG file of a row; raises Damaged when its bytes no longer give its digest."""
        content = (self.folder.path / row.split / row.file_name).read_bytes()
        if hashlib.sha256(content).hexdigest() != row.file_sha256:
            raise Damaged(
                f"{row.split}/{row.file_name} of snapshot {self.folder.name!r} was changed: its bytes no longer give "
                "the digest of its row. `rounds snapshot verify` lists what else; restore it from a backup."
            )
        return content

    def pixels(self, row: SnapshotRow) -> Pixels:
        """Decode one image: (H, W, C)."""
        return decode_png(self.content(row))

    def counts(self) -> Counts:
        """Count the exported images by split, origin and label."""
        return count_by_label(row for _, row in self.rows())


def count_by_label(rows: Iterator[SnapshotRow]) -> Counts:
    """Count rows by split, origin and label."""
    counts: Counts = {}
    for row in rows:
        by_label = counts.setdefault(row.split, {}).setdefault(row.origin, {})
        by_label[row.label] = by_label.get(row.label, 0) + 1
    return counts


def count_origins(counts: Counts, *origins: str) -> int:
    """Count the images with one of these origins."""
    return sum(sum(by.get(origin, {}).values()) for by in counts.values() for origin in origins)


def select_images(project: Project, name: str, include_real: bool) -> Selection:
    """Open snapshot `name` for export.

    Raises NotFound, Conflict when it is unfinished or something in it may not leave, BadInput when nothing would.
    """
    with project.database.read() as session:
        snapshot = find_snapshot(session, name)
        check_may_leave(session, snapshot)
        folder = SnapshotFolder.open(project.root / snapshot.directory)
        stale = any(summary.stale for summary in list_snapshots(session) if summary.name == name)
    if folder.digest != snapshot.digest:
        raise Damaged(f"snapshot {name!r}: its folder says digest {folder.digest}, the database {snapshot.digest}.")
    pseudonyms = ExportPseudonyms(project.secret(EXPORT_KEY))
    readings = frozenset(int(reading) for reading in snapshot.reading_ids)
    selection = Selection(project, snapshot.id, folder, include_real, pseudonyms, readings, stale)
    if next(selection.rows(), None) is None:
        raise BadInput(
            f"snapshot {name!r} holds real images only, and real images leave only with --include-real. Pass it, once "
            "everybody who must agree has agreed."
        )
    return selection
