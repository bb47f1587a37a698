"""What screening costs an image beside a bare forward pass of the backbone over the same images.

python -m benchmarks.screening [--backbone DIR] [--subjects 400] [--images 128]

The candidates are drawn by nobody: real subjects of a range that is not imported stand in for them. The first batch
also computes what is kept of the real images; the second, which is also searched for pictures of the first, is what
every further batch costs. Each fits the label probe anew.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from curation.image_store import pixel_sha256
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.ingest.virtual_brains.render import render_many
from curation.progress import silent
from curation.project import Project, open_or_make_project
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image, ImageLabel, Label, Origin
from screening.run import screen_batch
from train.backbones.load import Backbone
from train.backbones.shipped import EARLIER_SHIPPED, SHIPPED_BACKBONE

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STAND_INS = 500_000
CEILING = 12.0  # laying a picture over its likeliest sources costs about eight forward passes of that ViT
REPEATS = 3


def main() -> None:
    """Print the times; fails when a further batch costs more than the ceiling times the forward pass of the ViT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", type=Path, default=SHIPPED_BACKBONE)
    parser.add_argument("--subjects", type=int, default=400)
    parser.add_argument("--images", type=int, default=128)
    options = parser.parse_args()
    numbers = range(STAND_INS, STAND_INS + 2 * options.images)
    pictures = np.stack([slice_.pixels[:, :, None] for slice_ in render_many(numbers, 1)])
    timed = pictures[: options.images]
    own_ms, vit_ms = (forward_pass_ms(Backbone.load(of), timed) for of in (options.backbone, EARLIER_SHIPPED[0]))
    with tempfile.TemporaryDirectory() as scratch:
        project = make_project(Path(scratch) / "project", options.subjects)
        batches = [add_batch(project, half) for half in np.split(pictures, 2)]
        first_ms, further_ms = (
            screen_ms(project, batch_id, options.images, str(options.backbone)) for batch_id in batches
        )
        project.database.dispose()
    print(f"{options.images} images against {options.subjects} subjects, ms an image:")
    print(f"  forward pass alone {own_ms:.2f}; first batch {first_ms:.2f}; further batch {further_ms:.2f}")
    print(f"  further batch / own forward pass: {further_ms / own_ms:.2f}")
    print(
        f"  forward pass of the earlier ViT {vit_ms:.2f}; further batch / that: {further_ms / vit_ms:.2f}"
        f" (at most {CEILING})"
    )
    assert further_ms / vit_ms <= CEILING


def forward_pass_ms(backbone: Backbone, pictures: NDArray[np.uint8]) -> float:
    """Milliseconds an image, the least of three runs of a warm network."""
    backbone.features(pictures[:8])
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        backbone.features(pictures)
        times.append(1_000 * (time.perf_counter() - started) / len(pictures))
    return min(times)


def make_project(root: Path, subjects: int) -> Project:
    """A project with the simulated cohort."""
    project, _ = open_or_make_project(root)
    import_virtual_brains(project, NOW, subjects, workers=1, on_progress=silent)
    return project


def add_batch(project: Project, pictures: Sequence[NDArray[np.uint8]]) -> int:
    """A finished batch of these pictures."""
    files = [project.store.put_pixels(pixels) for pixels in pictures]
    with project.database.write() as session:
        name = files[0][:16]
        generator = Generator(name=name, directory=name, weights_digest=files[0], card={}, created_at=NOW)
        session.add(generator)
        session.flush()
        batch = Batch(
            generator_id=generator.id,
            request={},
            request_digest=files[0],
            size=len(files),
            status=BuildStatus.READY,
            created_at=NOW,
        )
        session.add(batch)
        session.flush()
        labels = session.scalars(select(Label.id).order_by(Label.id)).all()
        for index, (digest, pixels) in enumerate(zip(files, pictures, strict=True)):
            height, width, channels = pixels.shape
            image = Image(
                origin=Origin.SYNTHETIC,
                batch_id=batch.id,
                batch_index=index,
                file_sha256=digest,
                pixel_sha256=pixel_sha256(pixels),
                height=height,
                width=width,
                channels=channels,
                bits=8,
                created_at=NOW,
            )
            session.add(image)
            session.flush()
            asked = labels[index % len(labels)]
            session.add(ImageLabel(image_id=image.id, label_id=asked, source="request", value=1.0))
        return batch.id


def screen_ms(project: Project, batch_id: int, images: int, backbone: str) -> float:
    """Milliseconds an image, loading the backbone included."""
    started = time.perf_counter()
    screen_batch(project, batch_id, NOW, silent, backbone)
    return 1_000 * (time.perf_counter() - started) / images


if __name__ == "__main__":
    main()
