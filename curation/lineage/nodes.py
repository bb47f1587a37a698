"""Describe the nodes of the lineage in a few words, from counts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from curation.lineage.graph import Node, NodeKind, Ref
from curation.lineage.naming import NAMED, NUMBERED
from curation.provenance.withdrawn import affected_note
from curation.reading.outcomes import stands
from curation.tables.generation import Batch, Generator, ScreenedImage, Screening
from curation.tables.images import Image, Import, Origin, Split, Subject
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Outcome, Reading, Worklist, WorklistItem
from curation.tables.training import AddedBackbone, Evaluation, Run, Snapshot, Study
from curation.tables.withdrawals import AffectedKind

Row = TypeVar("Row")


def describe_node(session: Session, ref: Ref) -> Node:
    """Describe a node, with the withdrawals that affect it."""
    node = DESCRIBE[ref.kind](session, ref)
    owner, owner_key = split_group_key(ref.key)
    if ref.kind is NodeKind.IMAGES and owner == "batch":
        return replace(node, affected=affected_note(session, AffectedKind.BATCH, int(owner_key)))
    column, kind = NAMED.get(ref.kind) or NUMBERED.get(ref.kind) or (None, None)
    if column is None or kind is None:
        return node
    named = select(column.class_.id).where(column == ref.key)
    row_id = ref.key if ref.kind in NUMBERED else session.scalars(named).one()
    return replace(node, affected=affected_note(session, kind, int(row_id)))


def _row_named(session: Session, model: type[Row], column: InstrumentedAttribute[Any], key: str) -> Row:
    return session.scalars(select(model).where(column == key)).one()


def _count_by(session: Session, column: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> dict[str, int]:
    query = select(column, func.count()).where(*where).group_by(column).order_by(column)
    return {getattr(value, "value", str(value)): count for value, count in session.execute(query)}


def in_words(counts: dict[str, int]) -> str:
    """Write counts as words: `9 train, 4 test`."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def split_group_key(key: str) -> tuple[str, str]:
    """Split a group's key into the kind and key of its owner: `batch/3` belongs to batch 3."""
    what, _, rest = key.partition("/")
    return what, rest


def in_group(key: str) -> ColumnElement[bool]:
    """Build the condition on `Image` of a group of images."""
    owner, owner_key = split_group_key(key)
    if owner == "import":
        return Image.import_id == int(owner_key)
    if owner == "batch":
        return Image.batch_id == int(owner_key)
    return Image.subject_id == select(Subject.id).where(Subject.key == owner_key).scalar_subquery()


def altered_of(key: str) -> Select[int]:
    """Select the ids of images in a group that others were altered from: few, since only defects are planted."""
    altered = aliased(Image)
    originals = select(altered.altered_from_id).where(altered.origin == Origin.ALTERED)
    return select(Image.id).where(in_group(key), Image.id.in_(originals))


def _describe_subjects(session: Session, ref: Ref) -> Node:
    subject_ids = select(Image.subject_id).where(in_group(ref.key)).distinct()
    by_split = _count_by(session, Subject.split, Subject.id.in_(subject_ids))
    counts = {str(split.value): by_split[split.value] for split in Split if split.value in by_split}
    are_withdrawn = (Subject.id.in_(subject_ids), Subject.withdrawn_at.is_not(None))
    withdrawn = session.scalar(select(func.count()).where(*are_withdrawn)) or 0
    facts = [in_words(counts)] + ([f"{withdrawn:,} withdrawn"] if withdrawn else [])
    return Node(ref, f"{sum(counts.values()):,} subjects", tuple(facts))


def _describe_subject(session: Session, ref: Ref) -> Node:
    row = _row_named(session, Subject, Subject.key, ref.key)
    withdrawn = [f"WITHDRAWN {row.withdrawn_at.date()}"] if row.withdrawn_at else []
    return Node(ref, f"subject {row.key}", (row.split.value, *withdrawn))


def _describe_import(session: Session, ref: Ref) -> Node:
    row = session.get_one(Import, int(ref.key))
    known = "subjects known" if row.subjects_known else "subjects unknown"
    return Node(ref, f"import {row.id}", (row.source, str(row.created_at.date()), known))


def _describe_images(session: Session, ref: Ref) -> Node:
    total, withdrawn = session.execute(
        select(func.count(), func.count(Image.withdrawn_at)).select_from(Image).where(in_group(ref.key))
    ).one()
    owner, key = split_group_key(ref.key)
    facts = [f"of {owner} {key}"] + ([f"{withdrawn:,} withdrawn"] if withdrawn else [])
    if owner == "batch":
        facts += _screening_facts(session, int(key))
    if owner == "subject":
        originals = select(Image.id).where(in_group(ref.key))
        altered = session.scalar(select(func.count()).where(Image.altered_from_id.in_(originals))) or 0
        facts += [f"{altered:,} altered image{'s' if altered > 1 else ''} made from them"] if altered else []
    return Node(ref, f"{total:,} {'synthetic' if owner == 'batch' else 'real'} images", tuple(facts))


def _screening_facts(session: Session, batch_id: int) -> list[str]:
    newest = session.scalar(select(func.max(Screening.id)).where(Screening.batch_id == batch_id))
    if newest is None:
        return ["not screened"]
    return [f"screened: {in_words(_count_by(session, ScreenedImage.verdict, ScreenedImage.screening_id == newest))}"]


def _describe_image(session: Session, ref: Ref) -> Node:
    row = session.get_one(Image, int(ref.key))
    facts = [f"{row.height}x{row.width}", f"pixels {row.pixel_sha256[:12]}"]
    if row.origin is Origin.ALTERED and row.alteration:
        facts.insert(0, str(row.alteration.get("name", "altered")))
    if row.withdrawn_at:
        facts.insert(0, f"WITHDRAWN {row.withdrawn_at.date()}: the picture is gone")
    return Node(ref, f"{row.origin.value} image {row.id}", tuple(facts))


def _describe_snapshot(session: Session, ref: Ref) -> Node:
    row = _row_named(session, Snapshot, Snapshot.name, ref.key)
    splits = {split: sum(labels.values()) for split, labels in row.counts.items()}
    return Node(ref, f"snapshot {row.name}", (in_words(splits), f"digest {(row.digest or '')[:12]}"))


def _describe_generator(session: Session, ref: Ref) -> Node:
    row = _row_named(session, Generator, Generator.name, ref.key)
    fitted = row.card.get("fitted_on", {})
    facts = [f"saw {fitted['n_images']:,} images of {fitted['n_subjects']:,} subjects"] if "n_images" in fitted else []
    facts += [f"UNKNOWN provenance: {', '.join(fitted['unknown'])}"] if fitted.get("unknown") else []
    return Node(ref, f"generator {row.name}", (*facts, f"weights {row.weights_digest[:12]}"))


def _describe_batch(session: Session, ref: Ref) -> Node:
    row = session.get_one(Batch, int(ref.key))
    counts = {str(label): int(count) for label, count in row.request.get("counts", {}).items()}
    seed = [f"seed {row.request['seed']}"] if "seed" in row.request else []
    return Node(ref, f"batch {row.id}", (in_words(counts) or f"{row.size:,} asked for", *seed))


def _describe_worklist(session: Session, ref: Ref) -> Node:
    row = _row_named(session, Worklist, Worklist.name, ref.key)
    state = "closed" if row.closed_at else "open"
    return Node(ref, f"worklist {row.name}", (f"{row.size:,} images", f"{row.rule.get('kind', '')} rule", state))


def _describe_readings(session: Session, ref: Ref) -> Node:
    query = (
        select(Reader.kind, func.count(), func.count(Reading.reader_id.distinct()))
        .join(Reading, Reading.reader_id == Reader.id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .where(of_owner(session, WorklistItem, ref.key), stands())
        .group_by(Reader.kind)
    )
    rows = session.execute(query).all()
    who = {ReaderKind.HUMAN: ("person", "people"), ReaderKind.PROXY: ("proxy model", "proxy models")}
    facts = [f"{count:,} by {readers} {who[kind][readers > 1]}" for kind, count, readers in rows]
    return Node(ref, f"{sum(row[1] for row in rows):,} readings", tuple(facts))


def of_owner(session: Session, table: type[WorklistItem | Outcome], key: str) -> ColumnElement[bool]:
    """Build the condition on items or outcomes that belong to a worklist, or to one image."""
    owner, owner_key = split_group_key(key)
    if owner == "worklist":
        return table.worklist_id == _row_named(session, Worklist, Worklist.name, owner_key).id
    return table.image_id == int(owner_key)


def _describe_outcomes(session: Session, ref: Ref) -> Node:
    counts = _count_by(session, Outcome.verdict, of_owner(session, Outcome, ref.key))
    return Node(ref, f"{sum(counts.values()):,} outcomes", (in_words(counts),))


def _describe_run(session: Session, ref: Ref) -> Node:
    row = _row_named(session, Run, Run.name, ref.key)
    backbone = str(row.config.get("backbone", "shipped"))
    return Node(ref, f"run {row.name}", (str(row.config.get("adaptation", "")), f"of {backbone}", row.status.value))


def _describe_backbone(session: Session, ref: Ref) -> Node:
    row = _row_named(session, AddedBackbone, AddedBackbone.name, ref.key)
    facts = (
        str(row.card.get("source", "")),
        f"provenance {row.card.get('provenance', '')}",
        f"digest {row.digest[:12]}",
    )
    return Node(ref, f"backbone {row.name}", facts)


def _describe_study(session: Session, ref: Ref) -> Node:
    row = _row_named(session, Study, Study.name, ref.key)
    return Node(ref, f"study {row.name}", (f"{len(row.plan.get('arms', ()))} arms", row.status.value))


def _describe_report(session: Session, ref: Ref) -> Node:
    owner, key = split_group_key(ref.key)
    if owner == "study":
        return Node(ref, "report", (f"{_row_named(session, Study, Study.name, key).directory}/report.md",))
    name, _, split = key.rpartition("/")
    run = _row_named(session, Run, Run.name, name)
    times = session.scalar(select(func.count()).where(Evaluation.run_id == run.id, Evaluation.split == split)) or 0
    openings = f"read {times} {'time' if times == 1 else 'times'}"
    return Node(ref, f"evaluation on {split}", (f"{run.directory}/evaluation-{split}.json", openings))


DESCRIBE: dict[NodeKind, Callable[[Session, Ref], Node]] = {
    NodeKind.SUBJECTS: _describe_subjects,
    NodeKind.SUBJECT: _describe_subject,
    NodeKind.IMPORT: _describe_import,
    NodeKind.IMAGES: _describe_images,
    NodeKind.IMAGE: _describe_image,
    NodeKind.SNAPSHOT: _describe_snapshot,
    NodeKind.GENERATOR: _describe_generator,
    NodeKind.BATCH: _describe_batch,
    NodeKind.WORKLIST: _describe_worklist,
    NodeKind.READINGS: _describe_readings,
    NodeKind.OUTCOMES: _describe_outcomes,
    NodeKind.RUN: _describe_run,
    NodeKind.BACKBONE: _describe_backbone,
    NodeKind.STUDY: _describe_study,
    NodeKind.REPORT: _describe_report,
    NodeKind.ELSEWHERE: lambda _, ref: Node(ref, ref.key, ("not in this project",)),
}
