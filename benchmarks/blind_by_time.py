"""What the time of an answer tells about an image, with the server's wait and without it.

    python -m benchmarks.blind_by_time --images 200

Half of the images are of one value, half are noise, which takes longer to decode, as real and synthetic images may
differ. A reader's client asks the real server for each image twice and guesses by the quicker answer. The area under
the curve (AUC) is the chance that a noisy image took longer than the other kind; 0.5 tells nothing.
Its interval is over images.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from benchmarks.candidate_rows import NOW, StoredPicture, add_screened_rows
from curation.estimates import with_percentiles
from curation.project import Project, open_or_make_project
from curation.reader_study.turing import auc
from curation.readers.accounts import add_reader
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import Image
from curation.tables.reading import Assignment, WorklistItem
from curation.worklists.create import create_worklist
from review_ui import launch
from review_ui.routes import raw_pixels
from tests.e2e.conftest import PASSWORD
from tests.review_ui.serving import free_port
from tests.rows import add_consent

SIZE = 512
DRAWN = 32  # distinct pictures of each kind
TRIES = 2
START_S = 120.0
RESAMPLES = 2_000

Times = NDArray[np.float64]


def make_room(root: Path, images: int) -> tuple[Project, int, set[str]]:
    """A project with a worklist and a reader; returns the worklist and the digests of the noisy files too."""
    project, _ = open_or_make_project(root)
    random = np.random.default_rng(7)
    shape = (SIZE, SIZE, 1)
    smooth = [project.store.put_pixels(np.full(shape, 40 + number, np.uint8)) for number in range(DRAWN)]
    noisy = [project.store.put_pixels(random.integers(0, 256, shape, dtype=np.uint8)) for _ in range(DRAWN)]
    both = [digest for pair in zip(smooth, noisy, strict=True) for digest in pair]
    with project.database.write() as session:
        add_screened_rows(session, images, [StoredPicture(digest, (*shape, 8)) for digest in both])
        add_consent(
            session,
            project.chain,
            add_reader(session, project.chain, NOW, "reader", PASSWORD).id,
        )
        worklist_id = create_worklist(session, project.chain, NOW, WorklistRecipe(name="bench")).id
    return project, worklist_id, set(noisy)


def serve(root: Path, port: int, waits: bool) -> None:
    """Serve the project in this process."""
    if not waits:
        raw_pixels.PIXELS_AFTER_S = raw_pixels.PIXELS_AFTER_S_PER_BYTE = 0.0
    launch.serve(Project.open(root), port=port, on_ready=lambda _: None)


@contextmanager
def running(root: Path, waits: bool) -> Iterator[str]:
    """The server in a process of its own; yields its address."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(root, port, waits))
    process.start()
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_S
    try:
        while True:
            try:
                httpx.get(f"{url}/rounds/health", trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.join()


def times_of(url: str, worklist_id: int, images: int) -> dict[str, float]:
    """Claim the worklist and ask for each image once; returns milliseconds by assignment."""
    took = dict[str, float]()
    with httpx.Client(
        base_url=url,
        headers={"Origin": url, "Accept": "application/json"},
        trust_env=False,
    ) as client:
        signed_in = client.post("/rounds/sign-in", data={"name": "reader", "password": PASSWORD}).raise_for_status()
        client.headers["X-CSRF-Token"] = signed_in.json()["csrf"]
        path = f"/rounds/api/worklists/{worklist_id}/claim"
        keys = [item["key"] for item in client.post(path, json={"count": images}).raise_for_status().json()["items"]]
        client.get(f"/rounds/pixels/{keys[0]}").raise_for_status()  # the first answer of a server takes longer
        for key in keys:
            tries = []
            for _ in range(TRIES):
                start = time.perf_counter()
                client.get(f"/rounds/pixels/{key}").raise_for_status()
                tries.append((time.perf_counter() - start) * 1000)
            took[key] = min(tries)
    return took


def noisy_and_smooth(project: Project, took: dict[str, float], noisy: set[str]) -> tuple[Times, Times]:
    """The times of noisy and of smooth images."""
    query = select(Assignment.key, Image.file_sha256).join(WorklistItem, WorklistItem.id == Assignment.item_id)
    with project.database.read() as session:
        digests = dict(session.execute(query.join(Image, Image.id == WorklistItem.image_id)).all())
    kinds = {True: list[float](), False: list[float]()}
    for key, milliseconds in took.items():
        kinds[digests[key] in noisy].append(milliseconds)
    return np.array(kinds[True]), np.array(kinds[False])


def row(name: str, noisy: Times, smooth: Times) -> str:
    """A line of the table."""
    random = np.random.default_rng(11)
    resampled = [auc(random.choice(noisy, len(noisy)), random.choice(smooth, len(smooth))) for _ in range(RESAMPLES)]
    guess = with_percentiles(auc(noisy, smooth), np.array(resampled), len(noisy) + len(smooth))
    return (
        f"| {name} | {guess.value:.3f} ({guess.low:.3f} to {guess.high:.3f}) | {np.median(noisy):.2f} ms "
        f"| {np.median(smooth):.2f} ms |"
    )


def main() -> None:
    """Measure both and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=200, help="at most 200, what one claim gives")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    rows = []
    for waits in (True, False):
        with tempfile.TemporaryDirectory() as directory:
            project, worklist_id, noisy = make_room(Path(directory) / "bench", arguments.images)
            with running(project.root, waits) as url:
                took = times_of(url, worklist_id, arguments.images)
            rows.append(
                row(
                    "with the wait" if waits else "without it",
                    *noisy_and_smooth(project, took, noisy),
                )
            )
            project.database.dispose()
    print(f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after\n")
    print("| answers | AUC of a guess by time | median of noisy images | of smooth ones |")
    print("|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
