"""Check stored files against their rows, some thousands at a time, so that memory stays flat."""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, distinct, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.errors import NotFound
from curation.image_store import ImageStore, decode_png, file_name, pixel_sha256
from curation.project import Project
from curation.queries import chunks, files_among
from curation.tables.images import Image, Mask

PREFIXES = tuple(f"{number:02x}" for number in range(256))
FILES_AT_ONCE = 4_096


@dataclass(slots=True)
class Expected:
    """A stored file that rows point at: its name in messages, and the digests of its pixels by its rows."""

    name: str
    pixel_digests: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files of a folder that no row points at: complete ones, and `.part` files."""

    orphans: tuple[str, ...]
    unfinished: tuple[str, ...]


def count_files(session: Session) -> int:
    """Estimate how many files rows point at."""
    images = session.scalar(select(func.count(distinct(Image.file_sha256))).where(Image.withdrawn_at.is_(None))) or 0
    return images + (session.scalar(select(func.count(distinct(Mask.file_sha256)))) or 0)


def parts_of_store(store: ImageStore, rows: int) -> Iterator[tuple[Sequence[str], list[str]]]:
    """Split a store into parts of about `FILES_AT_ONCE` files or rows; yields prefixes and the files listed there.

    A folder whose name begins no digest is a part of its own, without a prefix.
    """
    folders = set(store.folders())
    width = max(1, len(PREFIXES) * FILES_AT_ONCE // max(1, rows))
    part: list[str] = []
    listed: list[str] = []
    for prefix in PREFIXES:
        part.append(prefix)
        listed += store.folder(prefix) if prefix in folders else []
        if len(part) >= width or len(listed) >= FILES_AT_ONCE or prefix == PREFIXES[-1]:
            yield part, listed
            part, listed = [], []
    for folder in sorted(folders.difference(PREFIXES)):
        yield [], store.folder(folder)


def expected_files(session: Session, prefixes: Sequence[str]) -> dict[str, Expected]:
    """Find the files that rows point at and whose digests start with one of `prefixes`; not those of withdrawn images.

    The prefixes follow one another in `PREFIXES`.
    """
    if not prefixes:
        return {}
    is_live = Image.withdrawn_at.is_(None)
    keys = (Image.file_sha256, Image.pixel_sha256)
    images = select(*keys, func.min(Image.id)).where(is_live, _has_prefix(Image.file_sha256, prefixes)).group_by(*keys)
    files: dict[str, Expected] = {}
    for digest, pixels, image_id in session.execute(images):
        files.setdefault(digest, Expected(f"image {image_id}")).pixel_digests.add(pixels)
    masks = select(Mask.file_sha256, Mask.name, Mask.image_id).join(Image, Image.id == Mask.image_id)
    for digest, name, image_id in session.execute(masks.where(is_live, _has_prefix(Mask.file_sha256, prefixes))):
        files.setdefault(digest, Expected(f"mask {name!r} of image {image_id}"))
    return files


def _has_prefix(column: InstrumentedAttribute[str], prefixes: Sequence[str]) -> ColumnElement[bool]:
    """Build the condition on prefixes as a range of the index: hexadecimal digits sort alike in every collation."""
    first, last = prefixes[0], prefixes[-1]
    if last == PREFIXES[-1]:
        return column >= first
    return (column >= first) & (column < PREFIXES[PREFIXES.index(last) + 1])


def drawn_files(session: Session, count: int, seed: int) -> dict[str, Expected]:
    """Draw `count` files of images, each the next after a random digest; all of them when there are no more."""
    draws = random.Random(seed)
    live = select(Image.id, Image.file_sha256, Image.pixel_sha256).where(Image.withdrawn_at.is_(None))
    files: dict[str, Expected] = {}
    if count >= (session.scalar(select(func.count(distinct(live.subquery().c.file_sha256)))) or 0):
        for image_id, digest, pixels in session.execute(live.order_by(Image.id)):
            files.setdefault(digest, Expected(f"image {image_id}")).pixel_digests.add(pixels)
        return files
    in_order = live.order_by(Image.file_sha256).limit(1)
    for _ in range(20 * count):  # draws may meet
        start = f"{draws.getrandbits(256):064x}"
        row = session.execute(in_order.where(Image.file_sha256 >= start)).first() or session.execute(in_order).first()
        if row is not None:
            files.setdefault(row.file_sha256, Expected(f"image {row.id}")).pixel_digests.add(row.pixel_sha256)
        if row is None or len(files) == count:
            break
    return files


def withdrawn_files_left(session: Session, orphans: Sequence[str]) -> list[str]:
    """Find the orphaned files of withdrawn images, which should have been removed."""
    names = {name.rsplit("/", 1)[-1].removesuffix(".png"): name for name in orphans}
    withdrawn = (files_among(session, chunk, Image.withdrawn_at.is_not(None)) for chunk in chunks(names))
    return sorted(names[digest] for digests in withdrawn for digest in digests)


def file_faults(project: Project, expected: Mapping[str, Expected], pixels: bool) -> Iterator[str]:
    """Describe each file that is missing or was changed; with `pixels` each is decoded too."""
    for digest, entry in expected.items():
        fault = _file_fault(project.store, digest, entry.pixel_digests if pixels else set())
        if fault and _still_expected(project, digest):
            yield f"{entry.name} ({file_name(digest)}): {fault}"


def _still_expected(project: Project, digest: str) -> bool:
    """Tell whether the file is still expected: its image may have been withdrawn since its row was read."""
    with project.database.read() as session:
        return digest in expected_files(session, [digest[:2]])


def _file_fault(store: ImageStore, digest: str, pixel_digests: set[str]) -> str | None:
    try:
        content = store.content(digest)
    except NotFound:
        return "the file is missing"
    if hashlib.sha256(content).hexdigest() != digest:
        return "its bytes were changed"
    if not pixel_digests:
        return None
    try:
        current = pixel_sha256(decode_png(content))
    except (OSError, ValueError) as error:
        return f"it cannot be decoded: {error}"
    return None if pixel_digests == {current} else "its pixels are not those of its row"


def content_faults(store: ImageStore, digests: Sequence[str]) -> Iterator[str]:
    """Describe each stored file whose bytes no longer hash to its name; no row is asked."""
    for digest in digests:
        if fault := _file_fault(store, digest, set()):
            yield f"{file_name(digest)}: {fault}"


def leftovers(listed: Sequence[str], expected: Mapping[str, Expected]) -> Leftovers:
    """List the files in a folder of the store that no row points at."""
    known = {file_name(digest) for digest in expected}
    unfinished = tuple(name for name in listed if name.endswith(".part"))
    return Leftovers(tuple(name for name in listed if name not in known and not name.endswith(".part")), unfinished)
