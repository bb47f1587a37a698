"""Write the rows of an import in chunks, and remove those of an import that did not finish."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from curation.database import Database
from curation.ingest.arrival import Arrival, Labels
from curation.ingest.incoming import Source
from curation.ingest.staging import Staging
from curation.progress import OnProgress
from curation.provenance.real_images import is_ready_real
from curation.provenance.value_scales import ValueScale
from curation.queries import VALUE_SCALE, find_or_add_labels
from curation.tables.images import (
    BuildStatus,
    Image,
    ImageCaption,
    ImageLabel,
    Import,
    Label,
    Mask,
    Origin,
    Subject,
)

CHUNK = 1_000
IN_LIST = 500
LABEL_SOURCE = "import"

T = TypeVar("T")


def begin(database: Database, now: datetime, source: Source, digest: str) -> int:
    """Write the parent row, `building`, and return its id; a row left by a failed attempt is used again."""
    with database.write() as session:
        row = session.scalars(select(Import).where(Import.source_digest == digest)).one_or_none()
        if row is None:
            row = Import(source=source.name[:1024], source_digest=digest)
            session.add(row)
        row.status, row.subjects_known, row.notice = BuildStatus.BUILDING, False, source.notice
        row.report, row.created_at = {}, now
        session.flush()
        return row.id


def find_present(session: Session, staging: Staging) -> None:
    """Note in the staging file which subjects and pictures the project has, and which were withdrawn."""
    for keys in staging.subjects(IN_LIST):
        query = select(Subject.key, Subject.split, Subject.withdrawn_at).where(Subject.key.in_(keys))
        for key, split, withdrawn_at in session.execute(query):
            staging.subject_stands(key, split, withdrawn_at is not None)
    any_withdrawn = session.scalar(select(Image.id).where(Image.withdrawn_at.is_not(None)).limit(1)) is not None
    for digests in staging.pictures(IN_LIST):
        standing = (
            select(Image, Subject)
            .join(Subject, Image.subject_id == Subject.id)
            .where(is_ready_real(), Image.pixel_sha256.in_(digests))
            .order_by(Image.id)
        )
        rows = session.execute(standing).all()
        labels = _labels_of(session, [image.id for image, _ in rows])
        for image, subject in rows:
            staging.picture_stands(_arrival_in_project(image, subject, tuple(labels[image.id])))
        if any_withdrawn:
            withdrawn = select(Image.pixel_sha256).where(Image.withdrawn_at.is_not(None), Image.origin == Origin.REAL)
            staging.withdraw(session.scalars(withdrawn.where(Image.pixel_sha256.in_(digests)).distinct()))
        session.expunge_all()


def _labels_of(session: Session, image_ids: Sequence[int]) -> dict[int, list[tuple[str, float]]]:
    query = select(ImageLabel.image_id, Label.name, ImageLabel.value).join(Label, Label.id == ImageLabel.label_id)
    query = query.where(ImageLabel.image_id.in_(image_ids), ImageLabel.source == LABEL_SOURCE).order_by(Label.name)
    labels: dict[int, list[tuple[str, float]]] = defaultdict(list)
    for image_id, name, value in session.execute(query):
        labels[image_id].append((name, value))
    return labels


def count_value_scales(session: Session, bits: Collection[int]) -> dict[ValueScale, int]:
    """Count the real gray images of these depths in the project by what their values stand for."""
    query = select(*VALUE_SCALE, func.count()).where(is_ready_real(), Image.channels == 1, Image.bits.in_(bits))
    counts = Counter[ValueScale]()
    for depth, slope, intercept, signed_offset, unit, count in session.execute(query.group_by(*VALUE_SCALE)):
        counts[ValueScale.of(depth, slope, intercept, signed_offset, unit)] += count
    return dict(counts)


def find_unused_files(session: Session, digests: Iterable[str]) -> set[str]:
    """The stored files among these that no image and no mask uses."""
    unused = set(digests)
    for chunk in _chunks(sorted(unused), IN_LIST):
        unused.difference_update(session.scalars(select(Image.file_sha256).where(Image.file_sha256.in_(chunk))))
        unused.difference_update(session.scalars(select(Mask.file_sha256).where(Mask.file_sha256.in_(chunk))))
    return unused


def write(
    database: Database, now: datetime, import_id: int, accepted: Iterable[Arrival], total: int, on_progress: OnProgress
) -> None:
    """Write subjects, images, labels and masks, one transaction for at most 1,000 images."""
    done = 0
    for chunk in _chunks(accepted, CHUNK):
        with database.write() as session:
            _write_chunk(session, now, import_id, chunk)
        done += len(chunk)
        on_progress(done, total, "recording")


def remove_unfinished(database: Database) -> None:
    """Remove the rows of every unfinished import; the caller holds the import lock, so none of them runs."""
    with database.read() as session:
        unfinished = session.scalars(select(Import.id).where(Import.status == BuildStatus.BUILDING)).all()
    for import_id in unfinished:
        abandon(database, import_id)


def abandon(database: Database, import_id: int) -> None:
    """Remove the rows of an import in chunks and mark it failed; `rounds verify` lists its files as orphans.

    One that counts stays: the database may have saved its last transaction and gone away before it said so.
    """
    with database.read() as session:
        if session.get_one(Import, import_id).status is BuildStatus.READY:
            return
    while _remove_chunk(database, import_id):
        pass
    with database.write() as session:
        session.execute(update(Import).where(Import.id == import_id).values(status=BuildStatus.FAILED))


def forget(database: Database, import_id: int) -> None:
    """Remove the parent row of an import that added nothing."""
    with database.write() as session:
        session.execute(delete(Import).where(Import.id == import_id))


def _write_chunk(session: Session, now: datetime, import_id: int, chunk: Sequence[Arrival]) -> None:
    subject_ids = _subject_ids(session, chunk)
    label_ids = find_or_add_labels(session, {name for arrival in chunk for name, _ in arrival.labels})
    rows = [_image_row(arrival, now, import_id, subject_ids[arrival.subject_key]) for arrival in chunk]
    added = session.execute(insert(Image).returning(Image.subject_id, Image.pixel_sha256, Image.id), rows)
    image_ids = {(subject_id, digest): image_id for subject_id, digest, image_id in added}
    pairs = [(image_ids[subject_ids[arrival.subject_key], arrival.pixel_sha256], arrival) for arrival in chunk]
    session.execute(
        insert(ImageLabel),
        [
            {"image_id": image_id, "label_id": label_ids[name], "source": LABEL_SOURCE, "value": value}
            for image_id, arrival in pairs
            for name, value in arrival.labels
        ],
    )
    masks = [
        {"image_id": image_id, "name": name, "file_sha256": digest}
        for image_id, arrival in pairs
        for name, digest in arrival.masks.items()
    ]
    if masks:
        session.execute(insert(Mask), masks)
    captions = [{"image_id": image_id, "text": arrival.caption} for image_id, arrival in pairs if arrival.caption]
    if captions:
        session.execute(insert(ImageCaption), captions)


def _image_row(arrival: Arrival, now: datetime, import_id: int, subject_id: int) -> dict[str, Any]:
    height, width, channels = arrival.shape
    geometry = arrival.geometry
    row_mm, column_mm = geometry.spacing_mm or (None, None)
    center, window_width = geometry.window or (None, None)
    return {
        "origin": Origin.REAL,
        "import_id": import_id,
        "subject_id": subject_id,
        "source_file": arrival.kept_as[:1024],
        "file_sha256": arrival.file_sha256,
        "pixel_sha256": arrival.pixel_sha256,
        "height": height,
        "width": width,
        "channels": channels,
        "bits": arrival.bits,
        "spacing_row_mm": row_mm,
        "spacing_column_mm": column_mm,
        "rescale_slope": geometry.rescale_slope,
        "rescale_intercept": geometry.rescale_intercept,
        "signed_offset": geometry.signed_offset,
        "value_unit": geometry.value_unit,
        "modality": geometry.modality,
        "window_center": center,
        "window_width": window_width,
        "frame": geometry.frame,
        "affine": geometry.affine,
        "covariates": arrival.covariates,
        "created_at": now,
    }


def _subject_ids(session: Session, chunk: Sequence[Arrival]) -> dict[str, int]:
    wanted = {arrival.subject_key: arrival for arrival in chunk}
    subject_ids: dict[str, int] = {}
    for keys in _chunks(wanted, IN_LIST):
        rows = session.execute(select(Subject.key, Subject.id).where(Subject.key.in_(keys)))
        subject_ids.update({key: id for key, id in rows})
    missing = [
        {"key": key, "split": arrival.split, "known": arrival.subject_known}
        for key, arrival in wanted.items()
        if key not in subject_ids
    ]
    if missing:
        added = session.execute(insert(Subject).returning(Subject.key, Subject.id), missing)
        subject_ids.update({key: id for key, id in added})
    return subject_ids


def _arrival_in_project(image: Image, subject: Subject, labels: Labels) -> Arrival:
    return Arrival(
        source_file=image.source_file or "",
        labels=labels,
        subject_key=subject.key,
        subject_known=subject.known,
        split=subject.split,
        pixel_sha256=image.pixel_sha256,
        file_sha256=image.file_sha256,
        shape=(image.height, image.width, image.channels),
        bits=image.bits,
        in_project=True,
    )


def _remove_chunk(database: Database, import_id: int) -> int:
    """Remove up to 1,000 images of an import and subjects left without any; return how many images."""
    with database.write() as session:
        query = select(Image.id, Image.subject_id).where(Image.import_id == import_id).limit(CHUNK)
        rows = session.execute(query).all()
        images = [row.id for row in rows]
        for model in (ImageLabel, ImageCaption, Mask):
            session.execute(delete(model).where(model.image_id.in_(images)))
        session.execute(delete(Image).where(Image.id.in_(images)))
        subjects = {row.subject_id for row in rows}
        in_use = select(Image.id).where(Image.subject_id == Subject.id).exists()
        session.execute(delete(Subject).where(Subject.id.in_(subjects), ~in_use))
    return len(images)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
