"""Find the mask files of a file by a pattern, and read them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.ingest.formats.picture_files import decode_picture
from curation.ingest.names import Unmatched
from curation.ingest.request import ImportRequest
from curation.ingest.sources.source_files import FileFinder, read_picture_file, reason_to_refuse

_FIELDS = "{dir}, {stem} and {name}"


class MaskFiles:
    """Finds the masks of files below a folder."""

    def __init__(self, directory: Path, request: ImportRequest) -> None:
        self._directory, self._request = directory, request
        self._finder = FileFinder(directory)

    def of(self, file: str) -> dict[str, str]:
        """The masks that a file has: paths below the folder, by name."""
        if not self._request.masks:
            return {}
        expected = expected_masks(file, self._request)
        spelt = {name: self._finder.find(path) for name, path in expected.items()}
        return {name: path for name, path in spelt.items() if path is not None and path != file}

    def paths(self, file: str) -> dict[str, Path]:
        """The masks that a file has, as they can be opened; raises BadInput for one that may not be."""
        masks = {name: self._directory / path for name, path in self.of(file).items()}
        for name, path in masks.items():
            if reason := reason_to_refuse(path, self._directory):
                raise BadInput(f"its mask {name}: {reason}")
        return masks


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


def list_mask_files(files: Sequence[str], masks: MaskFiles, request: ImportRequest) -> tuple[set[str], list[str]]:
    """The files that are masks of other files, and how many pictures have one, in words.

    Raises Unmatched for a pattern that fits no picture at all, unless the request allows it.
    """
    found = {file: masks.of(file) for file in files}
    are_masks = {path for of_file in found.values() for path in of_file.values()}
    pictures = [file for file in files if file not in are_masks]
    counts = Counter(name for file in pictures for name in found[file])
    notes = []
    for name, pattern in request.masks:
        if pictures and not counts[name] and not request.allow_unmatched:
            where = expected_masks(pictures[0], request).get(name, pattern)
            nameless = f"no picture has a mask {name} at {pattern}: correct --mask, or go on with --allow-unmatched."
            raise Unmatched(f"{nameless} Of {pictures[0]} it would be {where}.", nameless)
        notes.append(f"mask {name}: {counts[name]} of {len(pictures)} pictures have one")
    return are_masks, notes


def read_picture_mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read a mask as (H, W), 1 where any channel is not 0; raises BadInput unless it has the picture's size."""
    values, _ = decode_picture(read_picture_file(path))
    if values.shape[:2] != shape[:2]:
        raise BadInput(f"its mask is {values.shape[0]}x{values.shape[1]}, the picture {shape[0]}x{shape[1]}")
    mask: NDArray[np.uint8] = (values.max(axis=2) > 0).astype(np.uint8)
    return mask
