"""What an export costs beside a plain copy of the snapshot's folder, and how much memory it takes.

python -m benchmarks.exports [--images 4000] [--size 64]

The copy is `export_folder`, without checking a digest. An export holds every file against its digest, looks up
geometry, masks and readings, writes each image in its format and hashes what it wrote. Each runs in a process of its
own, whose peak is forgotten when it begins (Linux), on a quarter of the images and on all.
"""

import argparse
import multiprocessing
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.import_images import draw
from curation.exports.options import ExportOptions
from curation.exports.run import FORMATS, export_snapshot
from curation.ingest.sources.image_folder import import_image_folder
from curation.progress import silent
from curation.project import Project
from curation.settings import write_project_file
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder, export_folder
from curation.snapshots.mix import MixRecipe

NAME = "real"
CEILING_MB_A_THOUSAND = 12  # of growth; rows, no pixels


def main() -> None:
    """Print seconds, ratios and peak memory; fails where memory grows with the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4_000)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        small, large = (
            filled(Path(scratch) / str(count), count, options.size) for count in (options.images // 4, options.images)
        )
        copy_s, _ = apart("copy", large)
        print(f"{options.images} images of {options.size} px: plain copy {copy_s:.2f} s")
        for format in FORMATS:
            (_, before_mb), (seconds, after_mb) = apart(format, small), apart(format, large)
            growth = (after_mb - before_mb) / (options.images * 0.75) * 1_000
            print(
                f"{format}: {seconds:.2f} s, {options.images / seconds:.0f} images a second, {seconds / copy_s:.1f}x "
                f"the copy; peak {before_mb:.0f} MB at a quarter, {after_mb:.0f} MB at all, {growth:.1f} MB a thousand"
            )
            assert growth <= CEILING_MB_A_THOUSAND, format


def filled(root: Path, count: int, size: int) -> Path:
    """A project with a snapshot of so many real pictures."""
    write_project_file(root, "benchmark", "sqlite:///rounds.db", "store")
    project = Project.open(root)
    project.database.migrate()
    import_image_folder(project, datetime.now(UTC), draw(root / "pictures", count, size))
    build_snapshot(project, NAME, MixRecipe(synthetic="none"), datetime.now(UTC), silent)
    project.database.dispose()
    return root


def apart(format: str, root: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of one export in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run, (format, root))


def run(format: str, root: Path) -> tuple[float, float]:
    """Export or copy, in the process that calls it."""
    project = Project.open(root)
    target = root / f"out-{format}"
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak, which a new process takes from its parent
    start = time.perf_counter()
    if format == "copy":
        export_folder(SnapshotFolder.open(root / "snapshots" / NAME), target)
    else:
        options = ExportOptions(include_real=True)
        export_snapshot(project, NAME, format, target, options, datetime.now(UTC), silent)
    seconds = time.perf_counter() - start
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return seconds, int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    main()
