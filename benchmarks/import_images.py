"""What an import costs beside `datasets`' imagefolder and one full decode of the same files.

python benchmarks/import_images.py [DIRECTORY] [--files 20000] [--size 64] [--rounds 3]

DIRECTORY has one folder per class; without it, noisy pictures are drawn. Each run is a process of its own, in turn,
timed from after its imports; the median counts. The import also hashes the files and their pixels, strips what is not
picture, settles splits and duplicates, copies every picture into the store and writes its rows. Memory is the most that
a process held, beside an import of a tenth of the files.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
CEILING = 1.0
GROWTH_BYTES_PER_IMAGE = 8_000
GROWTH_BYTES = 16_000_000  # from a tenth of the files to all of them, however many


def main() -> None:
    """Print the times, their ratio and the memory; fails above the ceilings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--suffix", default=".png", choices=[".png", ".jpg", ".tif"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(*(ours(options.directory) if options.run == "ours" else theirs(options.directory)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        compare(Path(scratch), options)


def compare(scratch: Path, options: argparse.Namespace) -> None:
    """Run both in turn, then a tenth for memory."""
    directory = options.directory or draw(scratch / "pictures", options.files, options.size, options.suffix)
    runs: dict[str, list[tuple[float, float, int, int]]] = {"ours": [], "theirs": []}
    for _ in range(options.rounds):
        for who in runs:
            runs[who].append(apart(who, directory, scratch))
    for who, name in [("theirs", "imagefolder and one decode"), ("ours", "import")]:
        walls, cpus, images, memory = zip(*runs[who], strict=True)
        print(
            f"{name}: {images[0]} images, {statistics.median(walls):.1f} s ({min(walls):.1f} to {max(walls):.1f}), "
            f"{statistics.median(cpus):.1f} s of CPU, at most {max(memory) / 1e6:.0f} MB; load {os.getloadavg()[0]:.0f}"
        )
    middle = {who: [statistics.median(run[k] for run in measured) for k in (0, 1)] for who, measured in runs.items()}
    wall, cpu = (middle["ours"][k] / middle["theirs"][k] for k in (0, 1))
    print(f"import / imagefolder and decode: {wall:.2f} of the time (at most {CEILING}), {cpu:.2f} of the CPU")
    if options.directory is None:
        few = apart("ours", draw(scratch / "few", options.files // 10, options.size, options.suffix), scratch)
        many = runs["ours"][0]
        growth = many[3] - few[3]
        print(f"memory: {few[3] / 1e6:.0f} MB for {few[2]} images, {many[3] / 1e6:.0f} MB for {many[2]}")
        print(f"that is {growth / (many[2] - few[2]):.0f} bytes more for each image")
        assert growth <= min(GROWTH_BYTES, GROWTH_BYTES_PER_IMAGE * (many[2] - few[2]))
    assert wall <= CEILING


def apart(who: str, directory: Path, scratch: Path) -> tuple[float, float, int, int]:
    """One run in a process of its own: seconds, seconds of CPU, images, most bytes held.

    What it writes stays until the last run: ext4 looks long for room for a new file where thousands were just removed
    (0.55 ms a file instead of 0.03).
    """
    command = [sys.executable, __file__, str(directory), "--run", who]
    finished = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
    )
    wall, cpu, images, memory = finished.stdout.strip().splitlines()[-1].split()
    return float(wall), float(cpu), int(images), int(memory)


def ours(directory: Path) -> tuple[float, float, int, int]:
    """Import into a new project."""
    from curation.ingest.sources.image_folder import import_image_folder
    from curation.project import open_or_make_project

    root = Path(tempfile.mkdtemp()) / "project"
    project, _ = open_or_make_project(root)
    start, cpu = time.perf_counter(), time.process_time()
    report = import_image_folder(project, datetime.now(UTC), directory)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return wall, cpu, report.added, most_held()


def theirs(directory: Path) -> tuple[float, float, int, int]:
    """Load with `datasets` into an empty cache and decode every picture once."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets

    cache = tempfile.mkdtemp()
    start, cpu = time.perf_counter(), time.process_time()
    rows = datasets.load_dataset("imagefolder", data_dir=str(directory), cache_dir=cache, split="train")
    count = 0
    for row in rows:
        row["image"].load()
        count += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return wall, cpu, count, most_held()


def most_held() -> int:
    """The most memory this process held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def draw(directory: Path, count: int, size: int, suffix: str = ".png") -> Path:
    """Write smooth pictures with a little noise, in two class folders."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, size)
    for number in range(count):
        plane = ramp[:, None] * rng.uniform(0.3, 1) + rng.normal(20, 4, (size, size))
        path = directory / ("normal", "lesion")[number % 2] / f"p{number // 4:05d}_{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).save(path)
    return directory


if __name__ == "__main__":
    main()
