"""The nodes of the lineage, described in a few words from aggregates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from curation.lineage.graph import GROUPS, Kind, Node, Ref
from curation.lineage.naming import NAMED, NUMBERED
from curation.provenance.withdrawn import mark
from curation.reading.outcomes import stands
from curation.tables.generation import Batch, Generator, ScreenedImage, Screening
from curation.tables.images import Image, Import, Origin, Split, Subject
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Outcome, Reading, Worklist, WorklistItem
from curation.tables.training import Evaluation, Run, Snapshot, Study
from curation.tables.withdrawals import AffectedKind

Row = TypeVar("Row")


def describe(session: Session, ref: Ref) -> Node:
    """The node in words."""
    node = DESCRIBE[ref.kind](session, ref)
    column = None if ref.kind in GROUPS else (NAMED.get(ref.kind) or NUMBERED.get(ref.kind))
    if ref.kind is Kind.IMAGES and of_group(ref.key)[0] == "batch":
        return replace(node, affected=mark(session, AffectedKind.BATCH, int(of_group(ref.key)[1])))
    if column is None or column[1] is None:
        return node
    return replace(node, affected=mark(session, column[1], _row_id(session, ref)))


def _row_id(session: Session, ref: Ref) -> int:
    if ref.kind in NUMBERED:
        return int(ref.key)
    column = NAMED[ref.kind][0]
    return int(session.scalars(select(column.class_.id).where(column == ref.key)).one())


def _named(session: Session, model: type[Row], column: InstrumentedAttribute[Any], key: str) -> Row:
    return session.scalars(select(model).where(column == key)).one()


def _counts(session: Session, column: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> dict[str, int]:
    query = select(column, func.count()).where(*where).group_by(column).order_by(column)
    return {getattr(value, "value", str(value)): count for value, count in session.execute(query)}


def in_words(counts: dict[str, int]) -> str:
    """`9 train, 4 test`."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def of_group(key: str) -> tuple[str, str]:
    """What a group belongs to: `batch/3` is that of batch 3."""
    what, _, rest = key.partition("/")
    return what, rest


def in_group(key: str) -> ColumnElement[bool]:
    """The condition on `Image` of a group of images."""
    what, rest = of_group(key)
    if what == "import":
        return Image.import_id == int(rest)
    if what == "batch":
        return Image.batch_id == int(rest)
    return Image.subject_id == select(Subject.id).where(Subject.key == rest).scalar_subquery()


def altered_of(key: str) -> Select[int]:
    """Ids of the originals in a group that something was altered from: few, since only defects are planted."""
    altered = aliased(Image)
    originals = select(altered.altered_from_id).where(altered.origin == Origin.ALTERED)
    return select(Image.id).where(in_group(key), Image.id.in_(originals))


def _subjects(session: Session, ref: Ref) -> Node:
    here = select(Image.subject_id).where(in_group(ref.key)).distinct()
    found = _counts(session, Subject.split, Subject.id.in_(here))
    counts = {str(split.value): found[split.value] for split in Split if split.value in found}
    gone = session.scalar(select(func.count()).where(Subject.id.in_(here), Subject.withdrawn_at.is_not(None))) or 0
    facts = [in_words(counts)] + ([f"{gone:,} withdrawn"] if gone else [])
    return Node(ref, f"{sum(counts.values()):,} subjects", tuple(facts))


def _subject(session: Session, ref: Ref) -> Node:
    row = _named(session, Subject, Subject.key, ref.key)
    gone = [f"WITHDRAWN {row.withdrawn_at.date()}"] if row.withdrawn_at else []
    return Node(ref, f"subject {row.key}", (row.split.value, *gone))


def _import(session: Session, ref: Ref) -> Node:
    row = session.get_one(Import, int(ref.key))
    known = "subjects known" if row.subjects_known else "subjects unknown"
    return Node(ref, f"import {row.id}", (row.source, str(row.created_at.date()), known))


def _images(session: Session, ref: Ref) -> Node:
    total, gone = session.execute(
        select(func.count(), func.count(Image.withdrawn_at)).select_from(Image).where(in_group(ref.key))
    ).one()
    what, rest = of_group(ref.key)
    facts = [f"of {what} {rest}"] + ([f"{gone:,} withdrawn"] if gone else [])
    if what == "batch":
        facts += _screened(session, int(rest))
    if what == "subject":
        made = select(Image.id).where(in_group(ref.key))
        altered = session.scalar(select(func.count()).where(Image.altered_from_id.in_(made))) or 0
        facts += [f"{altered:,} altered image{'s' if altered > 1 else ''} made from them"] if altered else []
    return Node(ref, f"{total:,} {'synthetic' if what == 'batch' else 'real'} images", tuple(facts))


def _screened(session: Session, batch_id: int) -> list[str]:
    newest = session.scalar(select(func.max(Screening.id)).where(Screening.batch_id == batch_id))
    if newest is None:
        return ["not screened"]
    return [f"screened: {in_words(_counts(session, ScreenedImage.verdict, ScreenedImage.screening_id == newest))}"]


def _image(session: Session, ref: Ref) -> Node:
    row = session.get_one(Image, int(ref.key))
    facts = [f"{row.height}x{row.width}", f"pixels {row.pixel_sha256[:12]}"]
    if row.origin is Origin.ALTERED and row.alteration:
        facts.insert(0, str(row.alteration.get("name", "altered")))
    if row.withdrawn_at:
        facts.insert(0, f"WITHDRAWN {row.withdrawn_at.date()}: the picture is gone")
    return Node(ref, f"{row.origin.value} image {row.id}", tuple(facts))


def _snapshot(session: Session, ref: Ref) -> Node:
    row = _named(session, Snapshot, Snapshot.name, ref.key)
    splits = {split: sum(labels.values()) for split, labels in row.counts.items()}
    return Node(ref, f"snapshot {row.name}", (in_words(splits), f"digest {(row.digest or '')[:12]}"))


def _generator(session: Session, ref: Ref) -> Node:
    row = _named(session, Generator, Generator.name, ref.key)
    fitted = row.card.get("fitted_on", {})
    facts = [f"saw {fitted['n_images']:,} images of {fitted['n_subjects']:,} subjects"] if "n_images" in fitted else []
    facts += [f"UNKNOWN provenance: {', '.join(fitted['unknown'])}"] if fitted.get("unknown") else []
    return Node(ref, f"generator {row.name}", (*facts, f"weights {row.weights_digest[:12]}"))


def _batch(session: Session, ref: Ref) -> Node:
    row = session.get_one(Batch, int(ref.key))
    counts = {str(label): int(count) for label, count in row.request.get("counts", {}).items()}
    seed = [f"seed {row.request['seed']}"] if "seed" in row.request else []
    return Node(ref, f"batch {row.id}", (in_words(counts) or f"{row.size:,} asked for", *seed))


def _worklist(session: Session, ref: Ref) -> Node:
    row = _named(session, Worklist, Worklist.name, ref.key)
    state = "closed" if row.closed_at else "open"
    return Node(ref, f"worklist {row.name}", (f"{row.size:,} images", f"{row.rule.get('kind', '')} rule", state))


def _readings(session: Session, ref: Ref) -> Node:
    here = reading_condition(session, ref.key)
    query = (
        select(Reader.kind, func.count(), func.count(Reading.reader_id.distinct()))
        .join(Reading, Reading.reader_id == Reader.id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .where(here, stands())
        .group_by(Reader.kind)
    )
    rows = session.execute(query).all()
    who = {ReaderKind.HUMAN: ("person", "people"), ReaderKind.PROXY: ("proxy model", "proxy models")}
    facts = [f"{count:,} by {readers} {who[kind][readers > 1]}" for kind, count, readers in rows]
    return Node(ref, f"{sum(row[1] for row in rows):,} readings", tuple(facts))


def reading_condition(session: Session, key: str) -> ColumnElement[bool]:
    """The condition on `WorklistItem` of a group of readings: of a worklist, or of one image in it."""
    what, rest = of_group(key)
    if what == "worklist":
        return WorklistItem.worklist_id == _named(session, Worklist, Worklist.name, rest).id
    return WorklistItem.image_id == int(rest)


def outcome_condition(session: Session, key: str) -> ColumnElement[bool]:
    """The condition on `Outcome` of a group of outcomes."""
    what, rest = of_group(key)
    if what == "worklist":
        return Outcome.worklist_id == _named(session, Worklist, Worklist.name, rest).id
    return Outcome.image_id == int(rest)


def _outcomes(session: Session, ref: Ref) -> Node:
    counts = _counts(session, Outcome.verdict, outcome_condition(session, ref.key))
    return Node(ref, f"{sum(counts.values()):,} outcomes", (in_words(counts),))


def _run(session: Session, ref: Ref) -> Node:
    row = _named(session, Run, Run.name, ref.key)
    backbone = str(row.config.get("backbone", "shipped"))
    return Node(ref, f"run {row.name}", (str(row.config.get("adaptation", "")), f"of {backbone}", row.status.value))


def _study(session: Session, ref: Ref) -> Node:
    row = _named(session, Study, Study.name, ref.key)
    return Node(ref, f"study {row.name}", (f"{len(row.plan.get('arms', ()))} arms", row.status.value))


def _report(session: Session, ref: Ref) -> Node:
    what, rest = of_group(ref.key)
    if what == "study":
        study = _named(session, Study, Study.name, rest)
        return Node(ref, "report", (f"{study.directory}/report.md",))
    name, _, split = rest.rpartition("/")
    run = _named(session, Run, Run.name, name)
    done = select(func.count()).where(Evaluation.run_id == run.id, Evaluation.split == split)
    times = session.scalar(done) or 0
    read = f"read {times} {'time' if times == 1 else 'times'}"
    return Node(ref, f"evaluation on {split}", (f"{run.directory}/evaluation-{split}.json", read))


def _elsewhere(session: Session, ref: Ref) -> Node:
    return Node(ref, ref.key, ("not in this project",))


DESCRIBE: dict[Kind, Callable[[Session, Ref], Node]] = {
    Kind.SUBJECTS: _subjects,
    Kind.SUBJECT: _subject,
    Kind.IMPORT: _import,
    Kind.IMAGES: _images,
    Kind.IMAGE: _image,
    Kind.SNAPSHOT: _snapshot,
    Kind.GENERATOR: _generator,
    Kind.BATCH: _batch,
    Kind.WORKLIST: _worklist,
    Kind.READINGS: _readings,
    Kind.OUTCOMES: _outcomes,
    Kind.RUN: _run,
    Kind.STUDY: _study,
    Kind.REPORT: _report,
    Kind.ELSEWHERE: _elsewhere,
}
