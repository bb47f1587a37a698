"""The job of a batch: generate the images it still lacks; `(batch, index)` is unique."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import MEMBERS
from curation.errors import NotFound
from curation.image_store import pixel_sha256
from curation.jobs import enqueue, utc_now
from curation.locks import drawing_images
from curation.progress import OnProgress
from curation.project import Project
from curation.queries import find_or_add_labels
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, ImageLabel, Origin
from generate.registry import resolve_directory
from generate.request import GenerationRequest

Generated = tuple[int, str, NDArray[np.uint8]]  # index, label, (H, W, C) pixels

CHUNK = 16


def run_batch_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Generate the images that a batch still lacks, then mark it ready and queue its screening."""
    batch_id = int(payload["batch"])
    with project.database.read() as session:
        batch = session.get(Batch, batch_id)
        if batch is None:
            raise NotFound(f"there is no batch {batch_id}.")
        request, directory = (
            GenerationRequest.model_validate(batch.request),
            resolve_directory(project, batch.generator),
        )
        missing, size = list_missing_images(session, batch), batch.size
    report(size - len(missing), size, None)
    if missing:
        from generate.sample import sample_images

        done, images = size - len(missing), sample_images(directory, missing, request)
        with drawing_images(project):
            while chunk := list(islice(images, CHUNK)):
                _store(project, batch_id, chunk)
                done += len(chunk)
                report(done, size, None)
    now = utc_now()
    with project.database.read() as session:
        members = project.chain.members(session, Batch, batch_id)
    with project.database.write() as session:
        batch = session.get_one(Batch, batch_id)
        if batch.status != BuildStatus.READY:
            withdrawn = select(Image.id).where(Image.batch_id == batch_id, Image.withdrawn_at.is_not(None))
            if session.scalars(withdrawn.limit(1)).first() is not None:  # perhaps since they were read
                members = project.chain.members(session, Batch, batch_id)
            with project.chain.change(session, "batch.ready", batch, {"images": size, MEMBERS: members}, now):
                batch.status = BuildStatus.READY
                enqueue(session, now, "screen", {"batch": batch_id}, dedupe_key=f"screen:{batch_id}")


def list_missing_images(session: Session, batch: Batch) -> list[tuple[int, str]]:
    """List the part of the plan that has no image yet."""
    present = set(session.scalars(select(Image.batch_index).where(Image.batch_id == batch.id)))
    plan = GenerationRequest.model_validate(batch.request).plan()
    return [(index, label) for index, label in plan if index not in present]


def _store(project: Project, batch_id: int, chunk: Sequence[Generated]) -> None:
    """Store files, then the rows of one chunk in one transaction; an index that has an image keeps it."""
    files = {index: project.store.put_pixels(pixels) for index, _, pixels in chunk}
    now = utc_now()
    with project.database.write() as session:
        # A worker whose lease ran out may still be generating: the lock on the batch lets them write in turn.
        if session.get(Batch, batch_id, with_for_update=True) is None:
            raise NotFound(f"batch {batch_id} was removed while it was drawn.")
        query = select(Image.batch_index).where(Image.batch_id == batch_id, Image.batch_index.in_(list(files)))
        present = set(session.scalars(query))
        labels = find_or_add_labels(session, {label for _, label, _ in chunk})
        for index, label, pixels in chunk:
            if index in present:
                continue
            height, width, channels = pixels.shape
            image = Image(
                origin=Origin.SYNTHETIC,
                batch_id=batch_id,
                batch_index=index,
                file_sha256=files[index],
                pixel_sha256=pixel_sha256(pixels),
                height=height,
                width=width,
                channels=channels,
                bits=pixels.dtype.itemsize * 8,
                created_at=now,
            )
            image.labels.append(ImageLabel(label_id=labels[label], source="request", value=1.0))
            session.add(image)
