"""A project with the tiny generator, and the images of its batches."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from curation.project import Project
from curation.tables.images import Image
from generate.batch_request import request_batch
from generate.registry import add_generator
from generate.request import GenerationRequest
from tests.rows import NOW


def tiny_request(**changes: object) -> GenerationRequest:
    """Make a request for seven images in four steps."""
    values = {"generator": "tiny-flow", "counts": {"bright": 4, "dark": 3}, "seed": 7, "num_inference_steps": 4}
    return GenerationRequest.checked(**(values | changes))


def queue(project: Project, generator: Path, request: GenerationRequest) -> tuple[int, int]:
    """Add the generator if need be and request a batch; returns the ids of batch and job."""
    add_generator(project, NOW, generator)
    with project.database.write() as session:
        batch, job = request_batch(session, project.chain, NOW, request)
    return batch.id, job.id


def images_of(project: Project, batch_id: int) -> list[tuple[int, str, NDArray[np.uint8]]]:
    """Read index, label and pixels of every row of a batch, by index; files are checked by digest."""
    with project.database.read() as session:
        rows = session.scalars(select(Image).where(Image.batch_id == batch_id).order_by(Image.batch_index)).all()
        images = []
        for row in rows:
            project.store.check(row.file_sha256)
            assert row.batch_index is not None
            (label,) = row.labels
            assert (label.source, label.value) == ("request", 1.0)
            images.append((row.batch_index, label.label.name, project.store.pixels(row.file_sha256)))
        return images
