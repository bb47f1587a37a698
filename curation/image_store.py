"""Store images by content: lossless PNG files, named by the SHA-256 of the file.

Images are 8 bit gray or RGB, or 16 bit gray. In a directory a file is written under a temporary name and renamed; on
an object store one request puts it there whole or not at all. Only then may a row name it: a crash leaves an orphan
file that `rounds verify` lists, never a row without its image. `settle` waits until the files of a
directory would outlive a power cut; the database of a project does so before each write.

A marker lies in every store. A disk that is not mounted leaves an empty directory, or none, without it: then nothing
is written there.
"""

import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from PIL import Image as PillowImage

from curation.errors import BadInput, Damaged, NotFound, Unavailable
from curation.files import whole_file, write_through
from curation.store_errors import explain_store_errors, open_location

# Other file system, too many links, not allowed, not supported, and a missing file, which `content` explains.
_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EROFS, errno.ENOENT}

_FOLDER = re.compile(r"[0-9a-f]{2}")
MARKER = "rounds-store.txt"
_IN_MARKER = (
    "An image store of Rounds. `rounds init` put this file here, and without it, or an image, Rounds writes nothing:\n"
    "an empty place may be one whose disk is not mounted.\n"
)

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


def pixel_sha256(pixels: Pixels) -> str:
    """SHA-256 of shape, depth and little-endian values of (H, W, C), independent of the file format."""
    height, width, channels = pixels.shape
    little_endian = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{height}x{width}x{channels}:{pixels.dtype.itemsize * 8}:".encode())
    digest.update(little_endian.data)
    return digest.hexdigest()


def encode_png(pixels: Pixels) -> bytes:
    """Encode (H, W, C) losslessly; C is 1 (uint8 or uint16) or 3 (uint8)."""
    if pixels.ndim != 3 or (pixels.shape[2], pixels.dtype.itemsize) not in {(1, 1), (1, 2), (3, 1)}:
        raise BadInput(
            f"expected pixels (H, W, 1) uint8 or uint16, or (H, W, 3) uint8; "
            f"got {pixels.shape} {pixels.dtype}. Convert them first."
        )
    plane = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    buffer = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(plane)).save(buffer, "PNG")
    return buffer.getvalue()


def decode_png(content: bytes) -> Pixels:
    """Decode what `encode_png` wrote: (H, W, C) uint8 or uint16."""
    with PillowImage.open(io.BytesIO(content)) as picture:
        pixels = np.asarray(picture)
    if pixels.dtype == np.int32:
        pixels = pixels.astype(np.uint16)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _write_new(path: str, content: bytes) -> None:
    with open(path, "wb") as file:  # buffered, which goes on where a disk took only a part
        file.write(content)


def file_name(digest: str) -> str:
    """The path of a file in a store: in one of 256 folders by the start of its digest."""
    return f"{digest[:2]}/{digest}.png"


class ImageStore:
    """Image files under one fsspec location: a directory by default, `s3://` for teams."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._root, self._is_directory = open_location(url)
        self._unsettled = False
        self._is_there = False  # of an object store: asked once, since each question is a request

    @property
    def directory(self) -> Path | None:
        """The directory of the store on this machine; None on an object store."""
        return Path(self._root) if self._is_directory else None

    def prepare(self) -> None:
        """Make a new store with its marker; raises Unavailable where it cannot be made, or without the bucket."""
        with explain_store_errors(self.url, "written to"):
            if self._is_directory:
                os.makedirs(self._root, exist_ok=True)
            else:
                self._check_bucket()
            self._mark()

    def away(self) -> str | None:
        """What to say where the store is gone: neither its marker is there nor an image, which older stores have."""
        marker = f"{self._root}/{MARKER}"
        with explain_store_errors(self.url, "read"):
            is_marked = os.path.exists(marker) if self._is_directory else self._fs.exists(marker)
        if is_marked or any(_FOLDER.fullmatch(name) for name in self.folders()):
            return None
        return (
            f"the store {self.url} is empty or missing, and has no {MARKER}, which every store has: is its disk "
            "mounted? Mount it, or correct store_url in rounds.toml. Where nothing was stored yet, `rounds init` makes "
            "the store."
        )

    def require(self) -> None:
        """Raise Unavailable where the store is gone."""
        if away := self.away():
            raise Unavailable(away)

    def _mark(self) -> None:
        marker = f"{self._root}/{MARKER}"
        if not self._is_directory:
            self._fs.pipe_file(marker, _IN_MARKER.encode())
        elif not os.path.exists(marker):
            with whole_file(Path(marker)) as partial:
                partial.write_text(_IN_MARKER, encoding="utf-8")

    def _path(self, digest: str) -> str:
        return f"{self._root}/{file_name(digest)}"

    def put(self, content: bytes) -> str:
        """Store a PNG file and return its SHA-256; storing it twice changes nothing.

        Raises Unavailable when it cannot be stored; then nothing is left under its name. A file of another length under
        that name was torn by a power cut: it is written again.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        with explain_store_errors(self.url, "written to"):
            if self._size(path) != len(content):
                self._write(path, content)
        return digest

    def _size(self, path: str) -> int | None:
        try:
            size: int = os.stat(path).st_size if self._is_directory else self._fs.size(path)
        except FileNotFoundError:
            return None
        return size

    def _write(self, path: str, content: bytes) -> None:
        if not self._is_directory:
            if not self._is_there:
                self.require()
                self._is_there = True
            self._fs.pipe_file(path, content)
            return
        temporary = f"{path}.{uuid.uuid4().hex}.part"
        try:
            try:
                _write_new(temporary, content)
            except FileNotFoundError:  # the first file of its folder, or a disk that is not mounted
                self.require()
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _write_new(temporary, content)
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._unsettled = True

    def settle(self) -> None:
        """Wait until every stored file has reached the disk: once for many, since a wait costs milliseconds."""
        if self._unsettled:
            self._unsettled = False
            try:
                with explain_store_errors(self.url, "written to"):
                    write_through(Path(self._root))
            except Unavailable:
                self._unsettled = True
                raise

    def put_pixels(self, pixels: Pixels) -> str:
        """Encode and store (H, W, C); return the SHA-256 of the file."""
        return self.put(encode_png(pixels))

    def size_bytes(self, digest: str) -> int:
        """The size of a file; 0 where it is missing."""
        with explain_store_errors(self.url, "read"):
            return self._size(self._path(digest)) or 0

    def content(self, digest: str) -> bytes:
        """The bytes of a file; raises NotFound when it is missing, Unavailable when the store cannot be read."""
        try:
            with explain_store_errors(self.url, "read"):
                content: bytes = self._fs.cat_file(self._path(digest))
        except FileNotFoundError as error:
            raise self._missing(digest) from error
        return content

    def _missing(self, digest: str) -> NotFound:
        self._check_bucket()
        return NotFound(
            self.away()
            or f"image {digest} is not in the store {self.url}. Run `rounds verify` to list what is missing."
        )

    def _check_bucket(self) -> None:
        """Raise Unavailable when the bucket is missing, which is not the same as a missing file."""
        bucket = self._root.split("/", 1)[0]
        if not self._is_directory and not self._fs.exists(bucket):
            raise Unavailable(f"the store {self.url} cannot be read: there is no bucket {bucket!r}. Correct store_url.")

    def remove(self, digest: str) -> bool:
        """Remove a file that no row needs any more; return whether it was there."""
        try:
            with explain_store_errors(self.url, "read"):
                self._fs.size(self._path(digest))
        except FileNotFoundError:
            self._check_bucket()
            self.require()
            return False
        with explain_store_errors(self.url, "written to"):
            self._fs.rm_file(self._path(digest))
        return True

    def place(self, digest: str, target: Path) -> None:
        """Place a file at `target` too: as a read-only hard link where the file system can, else as a copy.

        A link costs no space; read-only keeps an edit under one name from changing the other.
        """
        if isinstance(self._fs, LocalFileSystem):
            try:
                os.chmod(self._path(digest), 0o444)
                os.link(self._path(digest), target)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
            else:
                return
        target.write_bytes(self.content(digest))

    def pixels(self, digest: str) -> Pixels:
        """Decode one stored image: (H, W, C)."""
        return decode_png(self.content(digest))

    def stack(self, digests: Sequence[str]) -> Pixels:
        """Decode images of one shape and depth: (N, H, W, C)."""
        first = self.pixels(digests[0])
        images: Pixels = np.empty((len(digests), *first.shape), first.dtype)
        images[0] = first
        for position, digest in enumerate(digests[1:], 1):
            images[position] = self.pixels(digest)
        return images

    def check(self, digest: str) -> None:
        """Raise Damaged when the stored bytes no longer hash to their name, NotFound when they are gone."""
        actual = hashlib.sha256(self.content(digest)).hexdigest()
        if actual != digest:
            raise Damaged(f"image {digest}: its stored bytes hash to {actual}. Restore the file from a backup.")

    def folders(self) -> list[str]:
        """The names at the top of the store, in order: folders such as `ab`, and foreign files; not its marker."""
        try:
            with explain_store_errors(self.url, "read"):
                paths = self._fs.ls(self._root, detail=False)
        except FileNotFoundError:  # nothing was stored yet
            self._check_bucket()
            return []
        names = (str(path).rstrip("/").rsplit("/", 1)[-1] for path in paths)
        return sorted(name for name in names if not name.startswith(MARKER))

    def folder(self, name: str) -> list[str]:
        """The paths of all files in one folder, in order: images, unfinished `.part` files, foreign files."""
        with explain_store_errors(self.url, "read"):
            return sorted(str(path).removeprefix(f"{self._root}/") for path in self._fs.find(f"{self._root}/{name}"))

    def files(self) -> set[str]:
        """The paths of all files in the store; `folder` takes a 256th of the memory."""
        return {file for name in self.folders() for file in self.folder(name)}
