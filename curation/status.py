"""Count what a project holds and what is under way, for `rounds status`."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.provenance.real_images import is_ready_real
from curation.provenance.withdrawn import affected_notes
from curation.queries import is_positive
from curation.reading.outcomes import stands
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject
from curation.tables.operations import Job
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, AssignmentState, Reading, Worklist, WorklistKind
from curation.tables.training import Run, Snapshot, Study
from curation.tables.withdrawals import AffectedKind


@dataclass(frozen=True, slots=True)
class Status:
    """The numbers of `rounds status`; every list is in the order of making."""

    imports: list[dict[str, Any]]
    real: dict[str, dict[str, int]]  # split -> label -> images
    subjects: dict[str, int]  # split -> subjects
    synthetic: dict[str, int]  # requested label -> images
    generators: list[str]
    batches: list[dict[str, Any]]
    worklists: list[dict[str, Any]]
    readings: dict[str, int]  # human, proxy
    snapshots: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    jobs: dict[str, int]  # status -> jobs
    affected: list[str]  # what descends from a withdrawn subject


def project_status(session: Session) -> Status:
    """Count everything in one consistent view."""
    jobs = select(Job.status, func.count()).group_by(Job.status)
    return Status(
        imports=_imports(session),
        real=_real_images(session),
        subjects=_subjects(session),
        synthetic=_synthetic_images(session),
        generators=list(session.scalars(select(Generator.name).order_by(Generator.id))),
        batches=_batches(session),
        worklists=_worklists(session),
        readings=_readings(session),
        snapshots=[
            {"name": snapshot.name, "status": snapshot.status.value, "counts": snapshot.counts}
            for snapshot in session.scalars(select(Snapshot).order_by(Snapshot.id))
        ],
        runs=[{"name": run.name, "status": run.status.value} for run in session.scalars(select(Run).order_by(Run.id))],
        jobs={status.value: count for status, count in session.execute(jobs)},
        affected=_affected(session),
    )


def _affected(session: Session) -> list[str]:
    """Generators, snapshots, runs and studies that a withdrawal affects, each with its note."""
    columns = {
        AffectedKind.GENERATOR: (Generator.id, Generator.name),
        AffectedKind.SNAPSHOT: (Snapshot.id, Snapshot.name),
        AffectedKind.RUN: (Run.id, Run.name),
        AffectedKind.STUDY: (Study.id, Study.name),
    }
    return [
        f"{kind.value} {session.scalars(select(name).where(number == target)).one()}: {line}"
        for kind, (number, name) in columns.items()
        for target, line in affected_notes(session, kind).items()
    ]


def _imports(session: Session) -> list[dict[str, Any]]:
    """Finished imports with what they added, and interrupted ones."""
    return [
        {"source": row.source, "status": row.status.value, "added": row.report.get("added", 0), "notice": row.notice}
        for row in session.scalars(select(Import).where(Import.status != BuildStatus.FAILED).order_by(Import.id))
    ]


def _real_images(session: Session) -> dict[str, dict[str, int]]:
    query = select(Subject.split, Label.name, func.count()).select_from(Image).join(Image.subject)
    query = query.join(Image.labels).join(ImageLabel.label).where(is_ready_real(), is_positive("import"))
    query = query.group_by(Subject.split, Label.name).order_by(Label.name)
    counts: dict[Split, dict[str, int]] = defaultdict(dict)
    for split, label, count in session.execute(query):
        counts[split][label] = count
    return {split.value: counts[split] for split in Split if split in counts}


def _subjects(session: Session) -> dict[str, int]:
    query = select(Subject.split, func.count(Subject.id.distinct())).join(Image, Image.subject_id == Subject.id)
    counts = {split: count for split, count in session.execute(query.where(is_ready_real()).group_by(Subject.split))}
    return {split.value: counts[split] for split in Split if split in counts}


def _synthetic_images(session: Session) -> dict[str, int]:
    query = select(Label.name, func.count()).select_from(Image).join(Image.labels).join(ImageLabel.label)
    query = query.where(Image.origin == Origin.SYNTHETIC, Image.withdrawn_at.is_(None), ImageLabel.source == "request")
    rows = session.execute(query.group_by(Label.name).order_by(Label.name))
    return {label: count for label, count in rows}


def _batches(session: Session) -> list[dict[str, Any]]:
    drawn_count = select(func.count(Image.id)).where(Image.batch_id == Batch.id).scalar_subquery()
    query = select(Batch, Generator.name, drawn_count).join(Batch.generator).order_by(Batch.id)
    return [
        {"batch": batch.id, "generator": generator, "status": batch.status.value, "drawn": count, "size": batch.size}
        for batch, generator, count in session.execute(query)
    ]


def _worklists(session: Session) -> list[dict[str, Any]]:
    """Count the slots of people and those read; the slots of proxies are counted apart."""
    slots = select(func.count(Assignment.id)).where(Assignment.worklist_id == Worklist.id)
    of_people = slots.where(Assignment.slot < PROXY_SLOT)
    done = Assignment.state == AssignmentState.DONE
    by_proxies = slots.where(Assignment.slot >= PROXY_SLOT, Assignment.slot < CONTROL_SLOT, done).scalar_subquery()
    query = select(Worklist, of_people.scalar_subquery(), of_people.where(done).scalar_subquery(), by_proxies)
    query = query.where(Worklist.kind != WorklistKind.PRACTICE).order_by(Worklist.id)
    return [
        {
            "worklist": worklist.name,
            "images": worklist.size,
            "to_read": total,
            "read_by_people": people,
            "read_by_proxies": proxies,
            "state": "closed" if worklist.closed_at else "open",
        }
        for worklist, total, people, proxies in session.execute(query)
    ]


def _readings(session: Session) -> dict[str, int]:
    """Count verdicts that stand, by kind of reader."""
    query = select(Reader.kind, func.count()).join(Reading, Reader.id == Reading.reader_id).where(stands())
    counts = {kind: count for kind, count in session.execute(query.group_by(Reader.kind))}
    return {kind.value: counts.get(kind, 0) for kind in ReaderKind}
