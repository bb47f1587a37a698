"""Check rules over several tables that no constraint of the schema enforces.

Each rule is one query for the rows that break it, so the database does the work and memory stays flat.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, not_, or_, select, text
from sqlalchemy.orm import Session

from curation.digests import HEX_DIGITS
from curation.reading.outcomes import stands
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT, REPEAT_SLOT
from curation.tables.generation import Batch, GeneratorPixels, ScreenedImage, Screening
from curation.tables.images import BuildStatus, Image, Mask, Origin, Split, Subject
from curation.tables.pairs import Pair, PairList
from curation.tables.reading import (
    Assignment,
    AssignmentState,
    Purpose,
    ReaderCursor,
    Reading,
    Worklist,
    WorklistItem,
    WorklistKind,
)
from curation.tables.training import Snapshot, SnapshotItem

EXAMPLES = 5

# What is wrong with rows that break a rule, and the query for their names.
Rules: TypeAlias = dict[str, Select[*tuple[Any, ...]]]


def row_faults(session: Session) -> Iterator[str]:
    """Describe each broken rule: how many rows break it, and a few of them."""
    rules = _image_rules() | _worklist_rules() | _pair_rules() | _reading_rules() | _snapshot_rules()
    for wrong, offenders in rules.items():
        broken = offenders.subquery()
        count = session.scalar(select(func.count()).select_from(broken)) or 0
        if count:
            examples = session.execute(select(broken).limit(EXAMPLES)).all()
            names = ", ".join("/".join(str(value) for value in row) for row in examples)
            yield f"{count} {wrong}: {names}{', ...' if count > EXAMPLES else ''}"
    yield from _sqlite_faults(session)


def _sqlite_faults(session: Session) -> Iterator[str]:
    """Ask SQLite to check its own file; PostgreSQL checks foreign keys at each write and its pages by itself."""
    if session.get_bind().dialect.name != "sqlite":
        return
    for row in session.execute(text("PRAGMA quick_check(5)")):
        if row[0] != "ok":
            yield f"the database file is damaged: {row[0]}"
    dangling = session.execute(text("PRAGMA foreign_key_check")).fetchmany(EXAMPLES)
    if dangling:
        rows = ", ".join(f"{table} {row}" for table, row, *_ in dangling)
        yield f"rows that refer to others which are not there: {rows}"


def _image_rules() -> Rules:
    drawn = select(func.count()).where(Image.batch_id == Batch.id).correlate(Batch).scalar_subquery()
    real, synthetic = Image.origin == Origin.REAL, Image.origin == Origin.SYNTHETIC
    altered_from_none = and_(Image.origin == Origin.ALTERED, Image.altered_from_id.is_(None))
    too_many = and_(Image.batch_index.is_not(None), Image.batch_index >= Batch.size)
    return {
        "real images without an import or a subject": _images_where(real, _absent(Image.import_id, Image.subject_id)),
        "synthetic images without a batch or a place in it": _images_where(
            synthetic, _absent(Image.batch_id, Image.batch_index)
        ),
        "altered images without what they were made from": _images_where(altered_from_none),
        "images whose digests are no SHA-256": _images_where(
            or_(_no_digest(Image.file_sha256), _no_digest(Image.pixel_sha256))
        ),
        "generators that saw images whose digests are no SHA-256": select(GeneratorPixels.generator_id)
        .where(_no_digest(GeneratorPixels.pixel_sha256))
        .distinct(),
        "masks whose digest is no SHA-256": select(Mask.id).where(_no_digest(Mask.file_sha256)),
        "images beyond the size of their batch": _images_where(too_many).join(Batch, Batch.id == Image.batch_id),
        "finished batches that lack images": select(Batch.id).where(
            Batch.status == BuildStatus.READY, drawn != Batch.size
        ),
        "screened images of another batch than the screening's": select(
            ScreenedImage.screening_id, ScreenedImage.image_id
        )
        .join(Screening, Screening.id == ScreenedImage.screening_id)
        .join(Image, Image.id == ScreenedImage.image_id)
        .where(or_(Image.batch_id.is_(None), Image.batch_id != Screening.batch_id)),
    }


def _images_where(*which: ColumnElement[bool]) -> Select[Any]:
    return select(Image.id).where(*which)


def _absent(*columns: Any) -> ColumnElement[bool]:
    return or_(*(column.is_(None) for column in columns))


def _no_digest(column: Any) -> ColumnElement[bool]:
    """Build the condition on a column that holds no 64 hexadecimal digits."""
    return or_(func.length(column) != 64, func.ltrim(column, HEX_DIGITS) != "")


def _worklist_rules() -> Rules:
    items = select(func.count()).where(WorklistItem.worklist_id == Worklist.id).correlate(Worklist).scalar_subquery()
    elsewhere = or_(Assignment.worklist_id != WorklistItem.worklist_id, Assignment.position != WorklistItem.position)
    places = (WorklistItem.worklist_id, WorklistItem.position)
    half_leased = and_(
        Assignment.state == AssignmentState.LEASED,
        or_(Assignment.reader_id.is_(None), Assignment.lease_until.is_(None)),
    )
    shared = WorklistItem.purpose.in_((Purpose.CANDIDATE, Purpose.GATE_AUDIT))
    is_read = and_(Worklist.kind == WorklistKind.VERDICT, Worklist.status == BuildStatus.READY)
    place = exists().where(Assignment.item_id == WorklistItem.id, Assignment.slot < PROXY_SLOT)
    return {
        "images that no reader can be given, since their places were removed (worklist/image)": select(
            Worklist.name, WorklistItem.image_id
        )
        .join(Worklist, Worklist.id == WorklistItem.worklist_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .where(is_read, Worklist.closed_at.is_(None), shared, Image.withdrawn_at.is_(None), not_(place)),
        "worklists whose size is not the number of their images": select(Worklist.name).where(
            Worklist.status == BuildStatus.READY, items != Worklist.size
        ),
        "places of a worklist that two images hold": select(*places).group_by(*places).having(func.count() > 1),
        "assignments of another worklist or place than their image's": select(Assignment.id)
        .join(WorklistItem, WorklistItem.id == Assignment.item_id)
        .where(elsewhere),
        "leased assignments without a reader or an end": select(Assignment.id).where(half_leased),
    }


def _pair_rules() -> Rules:
    held = select(func.count(Pair.id)).where(Pair.pair_list_id == PairList.id).scalar_subquery()
    return {
        "lists of pairs whose size is not the number of their pairs": select(PairList.name).where(
            PairList.status == BuildStatus.READY, held != PairList.size
        )
    }


def _reading_rules() -> Rules:
    counts = and_(stands(), Reading.after_reveal == false())
    read = exists().where(Reading.assignment_id == Assignment.id, counts)
    done = Assignment.state == AssignmentState.DONE
    reader_id = Assignment.reader_id
    other = or_(Reading.item_id != Assignment.item_id, reader_id.is_(None), Reading.reader_id != reader_id)
    slot = Assignment.slot
    tally = (
        select(
            Reading.reader_id,
            Assignment.worklist_id,
            func.count().label("done"),
            func.sum(_one_if(slot < PROXY_SLOT)).label("pooled"),
            func.sum(_one_if(and_(slot >= CONTROL_SLOT, slot < REPEAT_SLOT))).label("controls"),
        )
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .where(counts)
        .group_by(Reading.reader_id, Assignment.worklist_id)
        .subquery()
    )
    stored = (ReaderCursor.done, ReaderCursor.pooled_done, ReaderCursor.controls_done)
    counted = [func.coalesce(column, 0) for column in (tally.c.done, tally.c.pooled, tally.c.controls)]
    same = and_(tally.c.reader_id == ReaderCursor.reader_id, tally.c.worklist_id == ReaderCursor.worklist_id)
    return {
        "assignments that are done without a reading": select(Assignment.id).where(done, not_(read)),
        "assignments that were read and are not done": select(Assignment.id).where(not_(done), read),
        "readings of another image or reader than their assignment's": select(Reading.id)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .where(stands(), other),
        "readers' counts that are not those of their readings (reader/worklist)": select(
            ReaderCursor.reader_id, ReaderCursor.worklist_id
        )
        .outerjoin(tally, same)
        .where(or_(*(kept != real for kept, real in zip(stored, counted, strict=True)))),
        "readers with readings and no count of them (reader/worklist)": select(tally.c.reader_id, tally.c.worklist_id)
        .outerjoin(ReaderCursor, same)
        .where(ReaderCursor.reader_id.is_(None)),
    }


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _snapshot_rules() -> Rules:
    held_out = Subject.split.in_((Split.VALIDATION, Split.TEST))
    leaked = or_(
        and_(SnapshotItem.split == Split.TRAIN, held_out),
        and_(SnapshotItem.split == Split.TEST, Subject.split != Split.TEST),
    )
    ready = Snapshot.status == BuildStatus.READY
    empty = ~exists().where(SnapshotItem.snapshot_id == Snapshot.id)
    return {
        "finished snapshots without a digest": select(Snapshot.name).where(ready, Snapshot.digest.is_(None)),
        "finished snapshots without images": select(Snapshot.name).where(ready, empty),
        "images of a snapshot in a split that is not their subject's (snapshot/image)": select(
            SnapshotItem.snapshot_id, SnapshotItem.image_id
        )
        .join(Image, Image.id == SnapshotItem.image_id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(leaked),
    }
