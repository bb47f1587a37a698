"""Find the mask files of a file by a pattern, and read them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.ingest.formats.picture_files import decode_picture
from curation.ingest.names import Unmatched, keep_nearest
from curation.ingest.request import ImportRequest
from curation.ingest.sources.source_files import FileFinder, read_picture_file, reason_to_refuse

_FIELDS = "{dir}, {stem} and {name}"


class MaskFiles:
    """The masks of the files of a source, found by the patterns of the request."""

    def __init__(self, directory: Path, files: Iterable[str], request: ImportRequest) -> None:
        self._directory, self._request = directory, request
        self._masks: dict[str, dict[str, str]] = {}
        if request.masks:
            self._find({file: expected_masks(file, request) for file in files})
        self.files = {mask for present in self._masks.values() for mask in present.values()}

    def _find(self, expected: Mapping[str, Mapping[str, str]]) -> None:
        finder, spelt = FileFinder(self._directory), dict[str, str]()
        for file, paths in expected.items():
            for path in paths.values():
                mask = finder.find(path)
                if mask is not None and mask != file:
                    spelt[path] = mask
        spelt = keep_nearest(spelt)
        for file, paths in expected.items():
            present = {name: spelt[path] for name, path in paths.items() if spelt.get(path) not in (None, file)}
            if present:
                self._masks[file] = present

    def of(self, file: str) -> dict[str, Path]:
        """The masks that a file has, by name; raises BadInput for one that may not be opened."""
        masks = {name: self._directory / path for name, path in self._masks.get(file, {}).items()}
        for name, path in masks.items():
            if reason := reason_to_refuse(path, self._directory):
                raise BadInput(f"its mask {name}: {reason}")
        return masks

    def count(self, pictures: Sequence[str]) -> list[str]:
        """Say how many pictures have each mask; raises Unmatched when none has, unless the request allows it."""
        counts = Counter(name for file in pictures for name in self._masks.get(file, ()))
        for name, pattern in self._request.masks:
            if pictures and not counts[name] and not self._request.allow_unmatched:
                where = expected_masks(pictures[0], self._request).get(name, pattern)
                nameless = f"no picture has a mask {name} at {pattern}: correct --mask, or give --allow-unmatched."
                raise Unmatched(f"{nameless} Of {pictures[0]} it would be {where}.", nameless)
        return [f"mask {name}: {counts[name]} of {len(pictures)} pictures have one" for name, _ in self._request.masks]


def expected_masks(file: str, request: ImportRequest) -> dict[str, str]:
    """The path below the folder where each mask of a file would be, by name; raises BadInput for a bad pattern."""
    path = PurePosixPath(file)
    stem = path.name[: -len(".gz")] if path.name.lower().endswith(".nii.gz") else path.name
    fields = {"dir": path.parent.as_posix(), "stem": PurePosixPath(stem).stem, "name": path.name}
    paths = {}
    for name, pattern in request.masks:
        try:
            wanted = PurePosixPath(pattern.format(**fields))
        except (KeyError, IndexError, ValueError) as error:
            raise BadInput(f"the mask pattern {pattern!r} may hold {_FIELDS} only.") from error
        if wanted.is_absolute() or ".." in wanted.parts:
            raise BadInput(f"the mask pattern {pattern!r} leads outside the folder.")
        if wanted != path:
            paths[name] = PurePosixPath(*(part for part in wanted.parts if part != ".")).as_posix()
    return paths


def read_picture_mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read a mask as (H, W), 1 where any channel is not 0; raises BadInput unless it has the picture's size."""
    values, _ = decode_picture(read_picture_file(path))
    if values.shape[:2] != shape[:2]:
        raise BadInput(f"its mask is {values.shape[0]}x{values.shape[1]}, the picture {shape[0]}x{shape[1]}")
    mask: NDArray[np.uint8] = (values.max(axis=2) > 0).astype(np.uint8)
    return mask
