"""What an export costs beside a plain copy of the snapshot's folder, and how much memory it takes.

python -m benchmarks.exports [--images 4000] [--size 64]

The copy is `export_folder`, without checking a digest. An export holds every file against its digest, looks up
geometry, masks and readings, writes each image in its format and hashes what it wrote. Each runs in a process of its
own, whose peak is forgotten when it begins (Linux), on a quarter of the images and on all.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.import_images import draw
from benchmarks.own_process import run_apart
from curation.exports.options import ExportOptions
from curation.exports.run import FORMATS, export_snapshot
from curation.ingest.sources.image_folder import import_image_folder
from curation.progress import silent
from curation.project import Project, open_or_make_project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder, export_folder
from curation.snapshots.mix import MixRecipe

NAME = "real"
CEILING_MIB_A_THOUSAND = 12  # of growth; rows, no pixels


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
        copy_s = run_apart(run, "copy", large).wall_s
        print(f"{options.images} images of {options.size} px: plain copy {copy_s:.2f} s")
        for format in FORMATS:
            quarter, whole = run_apart(run, format, small), run_apart(run, format, large)
            growth = (whole.peak_mib - quarter.peak_mib) / (options.images * 0.75) * 1_000
            print(
                f"{format}: {whole.wall_s:.2f} s, {options.images / whole.wall_s:.0f} images a second, "
                f"{whole.wall_s / copy_s:.1f}x the copy; peak {quarter.peak_mib:.0f} MiB at a quarter, "
                f"{whole.peak_mib:.0f} MiB at all, {growth:.1f} MiB a thousand"
            )
            assert growth <= CEILING_MIB_A_THOUSAND, format


def filled(root: Path, count: int, size: int) -> Path:
    """A project with a snapshot of so many real pictures."""
    project, _ = open_or_make_project(root)
    import_image_folder(project, datetime.now(UTC), draw(root / "pictures", count, size))
    build_snapshot(project, NAME, MixRecipe(synthetic="none"), datetime.now(UTC), silent)
    project.database.dispose()
    return root


def run(format: str, root: Path) -> None:
    """Export or copy, in the process that calls it."""
    project = Project.open(root)
    target = root / f"out-{format}"
    if format == "copy":
        export_folder(SnapshotFolder.open(root / "snapshots" / NAME), target)
    else:
        options = ExportOptions(include_real=True)
        export_snapshot(project, NAME, format, target, options, datetime.now(UTC), silent)


if __name__ == "__main__":
    main()
