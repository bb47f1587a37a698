"""Look up what only the database knows of a snapshot's images: geometry, masks, who approved them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import Damaged
from curation.ingest.incoming import Geometry
from curation.snapshots.folder import SnapshotRow
from curation.tables.generation import Batch
from curation.tables.images import Image, Import, Mask, Subject
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Reading, WorklistItem
from curation.tables.training import SnapshotItem

PEOPLE, PROXY = "people", "proxy"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image of a snapshot as the database has it."""

    image_id: int
    import_source: str | None
    geometry: Geometry
    masks: tuple[tuple[str, str], ...]  # (name, file digest in the store)
    approved_by: str  # "people", "proxy", or "" where no approval was asked for


def image_facts(
    session: Session, snapshot_id: int, rows: Sequence[SnapshotRow], frozen_readings: frozenset[int]
) -> list[ImageFacts]:
    """Look up a chunk of rows in a few queries; raises Damaged where the database has no such image in the snapshot."""
    query = (
        select(Image, Subject.key, Batch.request_digest, Import.source)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .outerjoin(Subject, Subject.id == Image.subject_id)
        .outerjoin(Batch, Batch.id == Image.batch_id)
        .outerjoin(Import, Import.id == Image.import_id)
        .where(SnapshotItem.snapshot_id == snapshot_id, Image.file_sha256.in_({row.file_sha256 for row in rows}))
    )
    records = session.execute(query).all()
    ids = [image.id for image, *_ in records]
    masks, read_by = _masks(session, ids), _read_by(session, ids, frozen_readings)
    by_key: dict[tuple[str, str | None, str | None, int | None], ImageFacts] = {
        (image.file_sha256, subject, batch, image.batch_index): ImageFacts(
            image.id, source, _geometry(image), tuple(masks.get(image.id, ())), read_by.get(image.id, "")
        )
        for image, subject, batch, source in records
    }
    keys = [(row.file_sha256, row.subject, row.batch, row.index) for row in rows]
    for row, key in zip(rows, keys, strict=True):
        if key not in by_key:
            raise Damaged(
                f"{row.split}/{row.file_name} is in the snapshot's folder and not in its rows of the database. "
                "`rounds snapshot verify` says what else differs."
            )
    return [by_key[key] for key in keys]


def _masks(session: Session, image_ids: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    masks: dict[int, list[tuple[str, str]]] = {}
    query = select(Mask).where(Mask.image_id.in_(image_ids)).order_by(Mask.image_id, Mask.name)
    for mask in session.scalars(query):
        masks.setdefault(mask.image_id, []).append((mask.name, mask.file_sha256))
    return masks


def _read_by(session: Session, image_ids: Sequence[int], frozen: frozenset[int]) -> dict[int, str]:
    """Tell for each image whether its frozen readings are people's or only a proxy's."""
    query = (
        select(WorklistItem.image_id, Reading.id, Reader.kind)
        .join(Reading, Reading.item_id == WorklistItem.id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(WorklistItem.image_id.in_(image_ids))
    )
    read_by: dict[int, str] = {}
    for image_id, reading_id, kind in session.execute(query):
        if reading_id in frozen and read_by.get(image_id) != PEOPLE:
            read_by[image_id] = PEOPLE if kind is ReaderKind.HUMAN else PROXY
    return read_by


def _geometry(image: Image) -> Geometry:
    spacing = (image.spacing_row_mm, image.spacing_column_mm)
    window = (image.window_center, image.window_width)
    return Geometry(
        spacing_mm=None if spacing[0] is None or spacing[1] is None else (spacing[0], spacing[1]),
        rescale_slope=image.rescale_slope,
        rescale_intercept=image.rescale_intercept,
        signed_offset=image.signed_offset,
        value_unit=image.value_unit,
        modality=image.modality,
        window=None if window[0] is None or window[1] is None else (window[0], window[1]),
        frame=image.frame,
        affine=None if image.affine is None else tuple(tuple(row) for row in image.affine),
    )
