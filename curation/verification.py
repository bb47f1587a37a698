"""Hold everything stored against its digest: image files, pixels, snapshot folders, the chain of events.

Files of withdrawn images are expected to be absent, and one that is still there is a fault.

It repairs nothing. A missing or altered file, snapshot or event is a fault. An orphan file (stored, but no row points
at it) and an unfinished `.part` file are what interrupted work leaves behind: listed, harmless.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import ChainReport
from curation.errors import NotFound, RoundsError
from curation.image_store import ImageStore, decode_png, file_name, pixel_sha256
from curation.models.images import BuildStatus, Image, Mask
from curation.models.training import Snapshot
from curation.project import Project
from curation.snapshots.folder import SPLITS, SnapshotFolder, verify_folder

Report: TypeAlias = Callable[[int, int, str | None], None]

_REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked and what was found; `faults` is empty when everything is as it was stored."""

    files: int
    snapshots: int
    chain: ChainReport
    faults: list[str]
    orphans: list[str]
    unfinished: list[str]


@dataclass(frozen=True, slots=True)
class Expected:
    """A stored file that rows point at: what they call it, and the pixels they say are in it."""

    name: str
    pixel_digests: frozenset[str]


def verify_project(project: Project, report: Report, *, pixels: bool = False) -> Verification:
    """Check every stored file, snapshot and event; with `pixels`, decode each image and check its values too."""
    present = project.store.files()
    with project.database.read() as session:
        expected = _expected_files(session)
        snapshots = session.scalars(select(Snapshot).where(Snapshot.status == BuildStatus.READY)).all()
        chain = project.chain.verify(session, project.anchors_path)
        withdrawn = _withdrawn_files(session) - expected.keys()
        buried = set(session.scalars(select(Image.pixel_sha256).where(Image.withdrawn_at.is_not(None))))
    faults = list(_file_faults(project.store, expected, report, pixels))
    left = sorted(present & {file_name(digest) for digest in withdrawn})
    faults += [
        f"{file} was withdrawn and is still there: `rounds withdraw SUBJECT --yes` again removes it" for file in left
    ]
    for snapshot in snapshots:
        found = _snapshot_faults(project, snapshot, report, buried)
        faults += [f"snapshot {snapshot.name!r}: {fault}" for fault in found]
    known = {file_name(digest) for digest in expected.keys() | withdrawn}
    unfinished = {file for file in present if file.endswith(".part")}
    return Verification(
        files=len(expected),
        snapshots=len(snapshots),
        chain=chain,
        faults=[*faults, *(f"events: {fault}" for fault in chain.faults)],
        orphans=sorted(present - known - unfinished),
        unfinished=sorted(unfinished),
    )


def _expected_files(session: Session) -> dict[str, Expected]:
    expected: dict[str, Expected] = {}
    for image_id, file_digest, pixel_digest in session.execute(
        select(Image.id, Image.file_sha256, Image.pixel_sha256).where(Image.withdrawn_at.is_(None)).order_by(Image.id)
    ):
        earlier = expected.get(file_digest, Expected(f"image {image_id}", frozenset()))
        expected[file_digest] = Expected(earlier.name, earlier.pixel_digests | {pixel_digest})
    masks = select(Mask.image_id, Mask.name, Mask.file_sha256).join(Image, Image.id == Mask.image_id)
    for image_id, name, file_digest in session.execute(masks.where(Image.withdrawn_at.is_(None))):
        expected.setdefault(file_digest, Expected(f"mask {name!r} of image {image_id}", frozenset()))
    return expected


def _withdrawn_files(session: Session) -> set[str]:
    """Files of tombstones: they are expected to be absent, unless another image needs them."""
    gone = Image.withdrawn_at.is_not(None)
    masks = select(Mask.file_sha256).join(Image, Image.id == Mask.image_id).where(gone)
    return {*session.scalars(select(Image.file_sha256).where(gone)), *session.scalars(masks)}


def _file_faults(store: ImageStore, expected: Mapping[str, Expected], report: Report, pixels: bool) -> Iterator[str]:
    for position, (digest, entry) in enumerate(expected.items()):
        if position % _REPORT_EVERY == 0:
            report(position, len(expected), "images")
        fault = _fault(store, digest, entry.pixel_digests if pixels else frozenset())
        if fault:
            yield f"{entry.name} ({file_name(digest)}): {fault}"
    report(len(expected), len(expected), "images")


def _fault(store: ImageStore, digest: str, pixel_digests: frozenset[str]) -> str | None:
    try:
        content = store.content(digest)
    except NotFound:
        return "the file is missing"
    if hashlib.sha256(content).hexdigest() != digest:
        return "its bytes were changed"
    if not pixel_digests:
        return None
    try:
        found = pixel_sha256(decode_png(content))
    except (OSError, ValueError) as error:
        return f"it cannot be decoded: {error}"
    return None if pixel_digests == {found} else "its pixels are not those of its row"


def _snapshot_faults(project: Project, snapshot: Snapshot, report: Report, withdrawn: set[str]) -> list[str]:
    try:
        folder = SnapshotFolder.open(project.root / snapshot.directory)
        faults = verify_folder(folder, lambda done, total, _: report(done, total, f"snapshot {snapshot.name}"))
    except (RoundsError, OSError, ValueError, KeyError, TypeError) as error:
        return [f"cannot be read: {error}"]
    purged = folder.tombstones.purged
    rows = (row for split in SPLITS for row in folder.rows(split)) if purged else ()
    faults += [
        f"{row.split}/{row.file_name} is said to be withdrawn, and the database does not say so"
        for row in rows
        if f"{row.split}/{row.file_name}" in purged and row.pixel_sha256 not in withdrawn
    ]
    if folder.digest != snapshot.digest:
        faults.append(f"the folder says digest {folder.digest}, the database {snapshot.digest}")
    return faults
