"""What an import costs beside the bare loop that decodes, encodes and writes the same files.

python benchmarks/import_images.py [DIRECTORY] [--files 2000] [--size 64]

DIRECTORY has one folder per class; without it, noisy gray pictures are drawn. The import also hashes, settles splits
and duplicates, and writes rows; the ratio says what that adds. The smaller the pictures, the more it is.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from curation.image_store import encode_png
from curation.ingest.image_folder import import_image_folder
from curation.ingest.import_report import ImportReport
from curation.ingest.picture_files import SUFFIXES, decode_picture
from curation.project import Project
from curation.settings import write_project_file

CEILING = 3.0

T = TypeVar("T")


def main() -> None:
    """Print both times and their ratio; fails above the ceiling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        directory = options.directory or draw(root / "pictures", options.files, options.size)
        bare_s, count = timed(lambda: bare_loop(directory, root / "bare"))
        import_s, report = timed(lambda: full_import(directory, root / "project"))
        again_s, again = timed(lambda: full_import(directory, root / "project"))
    assert again.repeated
    print(f"{count} files: bare loop {bare_s:.2f} s, import of {report.added} {import_s:.2f} s, again {again_s:.2f} s")
    print(f"import / bare loop: {import_s / bare_s:.2f} (at most {CEILING})")
    assert import_s / bare_s <= CEILING


def draw(directory: Path, count: int, size: int) -> Path:
    """Write smooth pictures with a little noise, in two class folders."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, size)
    for number in range(count):
        plane = ramp[:, None] * rng.uniform(0.3, 1) + rng.normal(20, 4, (size, size))
        path = directory / ("normal", "lesion")[number % 2] / f"p{number // 4:05d}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).save(path)
    return directory


def bare_loop(directory: Path, out: Path) -> int:
    """Decode, encode and write every picture, and nothing else."""
    out.mkdir()
    files = sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES)
    for number, path in enumerate(files):
        (out / f"{number}.png").write_bytes(encode_png(decode_picture(path.read_bytes())))
    return len(files)


def full_import(directory: Path, root: Path) -> ImportReport:
    """Import into the project at `root`, made when missing."""
    if not root.exists():
        write_project_file(root, "benchmark", "sqlite:///rounds.db", "store")
    project = Project.open(root)
    project.database.migrate()
    return import_image_folder(project, datetime.now(UTC), directory)


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Seconds and the result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
