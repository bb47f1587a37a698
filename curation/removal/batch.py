"""Remove a batch: its images and screenings go, its events stay, and one more records the removal.

A batch stays that a worklist, a list of pairs, a snapshot, a measurement or a withdrawal rests on. One transaction
removes the rows, then the files go that no other image needs: killed in between, `rounds verify` lists them as orphans.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, exists, or_, select
from sqlalchemy.orm import Session

from curation.audit import BEFORE
from curation.digests import digest_of
from curation.errors import Conflict, NotFound
from curation.jobs import open_jobs_naming
from curation.lineage.down import DOWN
from curation.lineage.graph import NodeKind
from curation.locks import nobody_draws
from curation.project import Project
from curation.queries import chunks, files_among
from curation.removal.remove import Removal
from curation.tables.generation import Batch, ScreenedImage, Screening, ScreeningCheck
from curation.tables.images import Image, ImageLabel
from curation.tables.measures import SetMeasurement
from curation.tables.pairs import Pair, PairList
from curation.tables.withdrawals import Affected, AffectedKind
from curation.vector_files import forget_vectors


def plan_batch_removal(project: Project, kind: NodeKind, name: str) -> Removal:
    """Say what would go of the batch with this number; raises NotFound, or Conflict that names what rests on it."""
    with project.database.read() as session:
        batch = _find_batch(session, name)
        _refuse_in_use(session, batch)
        unused = _unused_files(session, batch.id)
    return Removal(kind, name, None, len(unused), sum(project.store.size_bytes(digest) for digest in unused))


def remove_batch(project: Project, now: datetime, kind: NodeKind, name: str) -> Removal:
    """Remove the batch with this number; raises what `plan_batch_removal` raises, and Busy while images are drawn."""
    with nobody_draws(project):
        project.store.require()
        removal = plan_batch_removal(project, kind, name)
        with project.database.write() as session:
            batch = _find_batch(session, name)
            session.refresh(batch, with_for_update=True)
            _refuse_in_use(session, batch)
            unused = _unused_files(session, batch.id)
            facts = {BEFORE: project.chain.content(session, Batch, batch.id), "files": len(unused)}
            payload = {"batch": batch.id, "name": digest_of(name), "request": batch.request_digest, **facts}
            payload |= _remove_rows(session, batch)
            project.chain.record(session, "batch.removed", payload, now)
        forget_vectors(project.directory("embeddings"), unused)
        for digest in sorted(unused):
            project.store.remove(digest)
    return removal


def _find_batch(session: Session, name: str) -> Batch:
    batch = session.get(Batch, int(name)) if name.isascii() and name.isdecimal() and len(name) <= 18 else None
    if batch is None:
        raise NotFound(f"there is no batch {name}. `rounds batch list` shows those there are.")
    return batch


def _refuse_in_use(session: Session, batch: Batch) -> None:
    below = [*_descendants(session, batch)]
    below += [f"job {job.id} ({job.kind}, {job.status})" for job in open_jobs_naming(session, "batch", batch.id)]
    if below:
        raise Conflict(
            f"batch {batch.id} stays: {', '.join(below)} {'rests' if len(below) == 1 else 'rest'} on it. Remove what "
            "can be removed first (`rounds lineage` shows it), or cancel the job."
        )


def _descendants(session: Session, batch: Batch) -> Iterator[str]:
    """Name the worklists, snapshots, lists of pairs, measurements and withdrawals that rest on its images."""
    images = _images(batch.id)
    for step in DOWN[NodeKind.IMAGES](session, f"batch/{batch.id}"):
        yield f"{step.ref.kind} {step.ref.key}"
    shown = or_(Pair.first_image_id.in_(images), Pair.second_image_id.in_(images))
    for name in session.scalars(select(PairList.name).where(exists().where(Pair.pair_list_id == PairList.id, shown))):
        yield f"list of pairs {name}"
    for measurement in session.scalars(select(SetMeasurement).order_by(SetMeasurement.id)):
        if batch.id in measurement.request.get("batches", ()) or _is_of_all(measurement, batch):
            yield f"measurement {measurement.id}"
    if session.scalars(images.where(Image.withdrawn_at.is_not(None)).limit(1)).first() is not None:
        yield "a withdrawal"


def _is_of_all(measurement: SetMeasurement, batch: Batch) -> bool:
    """Whether a measurement of everything that was drawn took this batch in."""
    is_raw = measurement.request.get("images") == "raw" and not measurement.request.get("batches")
    return is_raw and measurement.created_at >= batch.created_at


def _images(batch_id: int) -> Select[int]:
    return select(Image.id).where(Image.batch_id == batch_id)


def _unused_files(session: Session, batch_id: int) -> set[str]:
    """Find the files of its images that no other image needs."""
    files = set(session.scalars(select(Image.file_sha256).where(Image.batch_id == batch_id)))
    others = Image.batch_id.is_distinct_from(batch_id)
    return files - {name for chunk in chunks(sorted(files)) for name in files_among(session, chunk, others)}


def _remove_rows(session: Session, batch: Batch) -> dict[str, Any]:
    """Remove the row, its images and screenings, and the mark of a withdrawal; return what the event says of them."""
    screenings = select(Screening.id).where(Screening.batch_id == batch.id)
    numbers = list(session.scalars(screenings.order_by(Screening.id)))
    count = len(session.scalars(_images(batch.id)).all())
    for table in (ScreeningCheck, ScreenedImage):
        session.execute(delete(table).where(table.screening_id.in_(screenings)))
    session.execute(delete(Screening).where(Screening.batch_id == batch.id))
    session.execute(delete(ImageLabel).where(ImageLabel.image_id.in_(_images(batch.id))))
    session.execute(delete(Image).where(Image.batch_id == batch.id))
    session.execute(delete(Affected).where(Affected.kind == AffectedKind.BATCH, Affected.target_id == batch.id))
    session.delete(batch)
    return {"images": count, "screenings": numbers}
