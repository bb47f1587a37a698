"""Content-addressed images: lossless PNG, 8 bit gray or RGB and 16 bit gray, named by the SHA-256 of the file.

A file is written under a temporary name and renamed, and only then may a row point at it: a crash leaves an orphan file
that `rounds verify` lists, never a row without its image.
"""

import hashlib
import io
import uuid
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import fsspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from curation.errors import BadInput, Damaged, NotFound

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]


def pixel_sha256(pixels: Pixels) -> str:
    """SHA-256 of the picture itself: shape, depth and little-endian values of (H, W, C), whatever the file format."""
    height, width, channels = pixels.shape
    little_endian = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    header = f"{height}x{width}x{channels}:{pixels.dtype.itemsize * 8}:".encode()
    return hashlib.sha256(header + little_endian.tobytes()).hexdigest()


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


def file_name(digest: str) -> str:
    """Where a file lies in a store: in one of 256 folders by the start of its digest."""
    return f"{digest[:2]}/{digest}.png"


class ImageStore:
    """Image files under one fsspec location: a directory by default, `s3://` for teams."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)

    def _path(self, digest: str) -> str:
        return f"{self._root}/{file_name(digest)}"

    def put(self, content: bytes) -> str:
        """Store a PNG file and return its SHA-256; the same content again changes nothing."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if self._fs.exists(path):
            return digest
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}.part"
        with self._fs.open(temporary, "wb") as file:
            file.write(content)
        self._fs.mv(temporary, path)
        return digest

    def put_pixels(self, pixels: Pixels) -> str:
        """Encode and store (H, W, C); returns the file's SHA-256."""
        return self.put(encode_png(pixels))

    def content(self, digest: str) -> bytes:
        """The file's bytes; raises NotFound when it is missing."""
        try:
            with self._fs.open(self._path(digest), "rb") as file:
                content: bytes = file.read()
        except FileNotFoundError as error:
            raise NotFound(
                f"image {digest} is not in the store {self.url}. Run `rounds verify` to list what is missing."
            ) from error
        return content

    def remove(self, digest: str) -> bool:
        """Remove a file that no row needs any more; says whether it was there."""
        path = self._path(digest)
        if not self._fs.exists(path):
            return False
        self._fs.rm_file(path)
        return True

    def files(self) -> set[str]:
        """Every file of the store by its path in it: `ab/ab...png`, unfinished `.part` files, and strangers."""
        return {path.removeprefix(f"{self._root}/") for path in self._fs.find(self._root)}

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
        found = hashlib.sha256(self.content(digest)).hexdigest()
        if found != digest:
            raise Damaged(f"image {digest}: its stored bytes hash to {found}. Restore the file from a backup.")

    def digests(self) -> Iterator[str]:
        """Digest of every complete file in the store."""
        for path in self._fs.find(self._root):
            name = str(path).rsplit("/", 1)[-1]
            if name.endswith(".png"):
                yield name.removesuffix(".png")

    def unfinished(self) -> list[str]:
        """Temporary files a crash left behind."""
        return sorted(str(path) for path in self._fs.find(self._root) if str(path).endswith(".part"))
