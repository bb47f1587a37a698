"""DICOM files for tests: those inside pydicom's package, and copies with other attributes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom.data
from pydicom import dcmread
from pydicom.dataset import FileDataset

from curation.ingest.formats.picture_files import quiet_decoders

FOLDER = Path(pydicom.data.__file__).parent / "test_files"


def sample(name: str) -> Path:
    """A file of pydicom's package."""
    return FOLDER / name


def changed(to: Path, name: str, change: Callable[[FileDataset], None] | None = None, seed: int | None = None) -> Path:
    """A copy of a sample with what `change` does to it, and with noise in its pixels for a `seed`."""
    with quiet_decoders():
        return _changed(to, name, change, seed)


def _changed(to: Path, name: str, change: Callable[[FileDataset], None] | None, seed: int | None) -> Path:
    dataset = dcmread(sample(name))
    if seed is not None:
        values = np.random.default_rng(seed).integers(0, 1000, (dataset.Rows, dataset.Columns), dtype=np.int16)
        dataset.PixelData = values.tobytes()
    if change:
        change(dataset)
    to.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(to)
    return to
