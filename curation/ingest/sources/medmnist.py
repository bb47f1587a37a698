"""Import MedMNIST: an `.npz` file in its layout, or a data set by name through a checksummed download.

The layout: `{train,val,test}_images` (N, H, W) or (N, H, W, 3) uint8 and `{train,val,test}_labels` (N, 1), or (N, L) of
0 and 1 where each image has several. No subject ids are published, so every image is its own subject.
"""

import hashlib
import math
import os
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput, Damaged
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source, parse_split
from curation.ingest.sources.medmnist_catalogue import MedMNIST, find_by_file, find_medmnist
from curation.progress import OnProgress, silent
from curation.project import Project

_SPLITS = ("train", "val", "test")
_TIMEOUT_S = 30
_BLOCK = 1 << 20
_LAST_CLASS = 9_999  # a larger number is no class, but one that stands for something else

NUMBERED = (
    "the classes have numbers for names: the file is not called like a data set of MedMNIST (NAME.npz, NAME_64.npz, "
    "NAME_128.npz, NAME_224.npz), whose names would be known"
)


def import_medmnist(
    project: Project,
    now: datetime,
    source: str | Path,
    *,
    name: str | None = None,
    dry_run: bool = False,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Import the `.npz` at a path, or the data set of that name, downloaded into the project's `downloads`.

    The catalogue names the labels when the file is named like a known data set.
    """
    path = source if isinstance(source, Path) else _download(find_medmnist(source), project, on_progress)
    if not path.is_file():
        raise BadInput(f"{path} is not a file.")
    on_progress(0, 0, "reading the arrays")
    arrays = _load(path)
    entry = find_by_file(path.name)
    labels = {split: _label_numbers(path, arrays, split) for split in _SPLITS}
    names = _label_names(path, entry, labels)
    images = {split: _images(path, arrays, split, len(labels[split])) for split in _SPLITS}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    content = Source(
        name=name or path.name,
        content_digest=digest,
        items=_items(images, labels, names),
        total=sum(len(numbers) for numbers in labels.values()),
        notice=f"MedMNIST {entry.name}, {entry.licence}" if entry else None,
        notes=[] if entry else [NUMBERED],
    )
    return import_source(project, now, content, on_progress=on_progress, dry_run=dry_run)


def _items(
    images: Mapping[str, NDArray[np.uint8]], labels: Mapping[str, NDArray[np.int64]], names: Sequence[str]
) -> Iterator[IncomingImage]:
    for split in _SPLITS:
        for position, (pixels, numbers) in enumerate(zip(images[split], labels[split], strict=True)):
            several = dict(zip(names, map(float, numbers), strict=True)) if len(numbers) > 1 else None
            yield IncomingImage(
                f"{split}/{position:06d}", pixels, several or names[int(numbers[0])], split=parse_split(split)
            )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    wanted = [f"{split}_{kind}" for split in _SPLITS for kind in ("images", "labels")]
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            missing = [key for key in wanted if key not in archive.files]
            if missing:
                raise BadInput(f"{path} is not in MedMNIST's layout: expected the array(s) {', '.join(missing)} in it.")
            return {key: archive[key] for key in wanted}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path} cannot be read as a NumPy archive without pickles: {error}") from error


def _label_numbers(path: Path, arrays: Mapping[str, NDArray[Any]], split: str) -> NDArray[np.int64]:
    labels = arrays[f"{split}_labels"]
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "ui":
        raise BadInput(f"{path}, {split}_labels: expected (N, L) integers, got {labels.shape} {labels.dtype}.")
    outside = labels[(labels < 0) | (labels > _LAST_CLASS)]
    if outside.size:
        raise BadInput(
            f"{path}, {split}_labels: expected the numbers of classes, 0 to {_LAST_CLASS:,}, got "
            f"{int(outside.flat[0])} in {outside.size} place(s). Leave out images without a class."
        )
    numbers: NDArray[np.int64] = labels.reshape(len(labels), math.prod(labels.shape[1:])).astype(np.int64)
    if numbers.shape[1] > 1 and numbers.max(initial=0) > 1:
        raise BadInput(
            f"{path}, {split}_labels: expected 0 or 1 for each of {numbers.shape[1]} labels, got {numbers.max()}."
        )
    return numbers


def _images(path: Path, arrays: Mapping[str, NDArray[Any]], split: str, count: int) -> NDArray[np.uint8]:
    images = arrays[f"{split}_images"]
    if images.dtype != np.uint8:
        raise BadInput(
            f"{path}, {split}_images: expected values of uint8, got {images.dtype}, and an .npz file does not say what "
            "such values stand for. Bring them to uint8, or save them as DICOM or NIfTI."
        )
    has_channels = images.ndim == 4 and images.shape[3] in (1, 3)
    if not (images.ndim == 3 or has_channels):
        raise BadInput(
            f"{path}, {split}_images: expected (N, H, W), (N, H, W, 1) or (N, H, W, 3) uint8, "
            f"got {images.shape} {images.dtype}. Volumes (the 3-D sets) are not 2-D images."
        )
    if len(images) != count:
        raise BadInput(f"{path}: {split}_images holds {len(images)} images, and {split}_labels {count} labels.")
    shaped: NDArray[np.uint8] = images if has_channels else images[:, :, :, None]
    return shaped


def _label_names(path: Path, entry: MedMNIST | None, labels: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """The name of each label number, or of each column where images have several labels."""
    widths = {values.shape[1] for values in labels.values()}
    if len(widths) > 1:
        raise BadInput(f"{path}: the splits have different numbers of labels: {sorted(widths)}.")
    [width] = widths
    if width > 1:
        if entry is not None and len(entry.labels) != width:
            raise BadInput(f"{path} has {width} labels for each image, {entry.name} has {len(entry.labels)}.")
        return list(entry.labels) if entry else [f"label {number}" for number in range(width)]
    if entry is None:
        last = max(int(values.max(initial=0)) for values in labels.values())
        return [f"class {number}" for number in range(last + 1)]
    for split, values in labels.items():
        unknown = [int(number) for number in np.unique(values) if number >= len(entry.labels)]
        if unknown:
            raise BadInput(
                f"{path}, {split}_labels: it holds the label(s) {unknown}, {entry.name} has 0 to "
                f"{len(entry.labels) - 1}. Rename the file if it is another data set."
            )
    return list(entry.labels)


def _download(entry: MedMNIST, project: Project, on_progress: OnProgress) -> Path:
    """Download the file unless it is there; raises BadInput offline, Damaged for another MD5."""
    path = project.directory("downloads") / entry.file_name
    if path.exists():
        _check_md5(entry, path)
        return path
    partial = path.with_suffix(".part")
    try:
        with urllib.request.urlopen(entry.url, timeout=_TIMEOUT_S) as response, partial.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            while block := response.read(_BLOCK):
                file.write(block)
                on_progress(file.tell(), total, "downloading")
    except OSError as error:
        raise BadInput(
            f"{entry.url} cannot be fetched ({error}). Fetch it on a machine that is online, put it at {path} "
            f"(MD5 {entry.md5}) and run this again; or import a file you have: `rounds import {entry.file_name}`."
        ) from error
    _check_md5(entry, partial)
    os.replace(partial, path)
    return path


def _check_md5(entry: MedMNIST, path: Path) -> None:
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    if md5 != entry.md5:
        raise Damaged(
            f"{path}: expected MD5 {entry.md5}, got {md5}. Delete it and run this again; a file that was saved anew "
            f"on purpose is imported by its path: `rounds import {path}`."
        )
