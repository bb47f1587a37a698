"""Find the mask files of a file by a pattern, and read them."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.ingest.formats.picture_files import decode_picture
from curation.ingest.request import ImportRequest
from curation.ingest.sources.source_files import read_picture_file, reason_to_refuse

_FIELDS = "{dir}, {stem} and {name}"


def expected_masks(file: str, request: ImportRequest) -> dict[str, str]:
    """The path below the folder where each mask of a file would be, by name; raises BadInput for a bad pattern."""
    path = PurePosixPath(file)
    stem = path.name.removesuffix(".gz") if path.name.endswith(".nii.gz") else path.name
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


def list_mask_files(files: Iterable[str], request: ImportRequest) -> set[str]:
    """The files that are masks of other files."""
    present = set(files)
    return {mask for file in present for mask in expected_masks(file, request).values() if mask in present}


def find_masks(directory: Path, file: str, request: ImportRequest) -> dict[str, Path]:
    """The masks that a file has, by name; raises BadInput for one that may not be opened."""
    present: dict[str, Path] = {}
    for name, mask in expected_masks(file, request).items():
        path = directory / mask
        if path.is_symlink() or path.exists():
            if reason := reason_to_refuse(path, directory):
                raise BadInput(f"its mask {name}: {reason}")
            present[name] = path
    return present


def read_picture_mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read a mask as (H, W), 1 where any channel is not 0; raises BadInput unless it has the picture's size."""
    values, _ = decode_picture(read_picture_file(path))
    if values.shape[:2] != shape[:2]:
        raise BadInput(f"its mask is {values.shape[0]}x{values.shape[1]}, the picture {shape[0]}x{shape[1]}")
    mask: NDArray[np.uint8] = (values.max(axis=2) > 0).astype(np.uint8)
    return mask
