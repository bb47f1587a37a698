"""Count what a project holds and what is under way, for `rounds status`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.jobs import is_lost, open_jobs_naming
from curation.locks import is_being_made
from curation.near_copies.on_record import count_near_copies, is_searched
from curation.project import Project
from curation.provenance.real_images import is_ready_real
from curation.provenance.withdrawn import affected_notes
from curation.queries import is_positive
from curation.reading.outcomes import stands
from curation.reading.progress import count_readings_by_people
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT
from curation.removal.unfinished import list_unfinished_fits
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject
from curation.tables.operations import Job, JobStatus
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
    fits: list[dict[str, Any]]  # fits that have not finished
    batches: list[dict[str, Any]]
    worklists: list[dict[str, Any]]
    readings: dict[str, int]  # human, proxy
    snapshots: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    studies: list[dict[str, Any]]
    jobs: dict[str, int]  # status -> jobs
    affected: list[str]  # what descends from a withdrawn subject
    near_copies: dict[str, dict[str, int]] | None  # held-out split -> images, of them near copies; None: not searched


def project_status(session: Session, project: Project, now: datetime) -> Status:
    """Count everything in one consistent view, and say of unfinished work whether somebody is at it."""
    return Status(
        imports=_imports(session),
        real=_real_images(session),
        subjects=_subjects(session),
        synthetic=_synthetic_images(session),
        generators=list(session.scalars(select(Generator.name).order_by(Generator.id))),
        fits=[
            {"name": fit.name, "snapshot": fit.snapshot, "status": state_of_fit(session, project, now, fit.name)}
            for fit in list_unfinished_fits(session, project.root)
        ],
        batches=list_batches(session, now),
        worklists=_worklists(session),
        readings=_readings(session),
        snapshots=[
            {"name": snapshot.name, "status": state_of(session, project, now, snapshot), "counts": snapshot.counts}
            for snapshot in session.scalars(select(Snapshot).order_by(Snapshot.id))
        ],
        runs=[
            {"name": run.name, "status": state_of(session, project, now, run)}
            for run in session.scalars(select(Run).order_by(Run.id))
        ],
        studies=[
            {"name": study.name, "status": state_of(session, project, now, study)}
            for study in session.scalars(select(Study).order_by(Study.id))
        ],
        jobs=_jobs(session, now),
        affected=_affected(session),
        near_copies=_near_copies(session),
    )


def _jobs(session: Session, now: datetime) -> dict[str, int]:
    """Count jobs by state; one whose worker is gone counts as interrupted."""
    by_status = session.execute(select(Job.status, func.count()).group_by(Job.status))
    counts = {status.value: count for status, count in by_status}
    running = session.scalars(select(Job).where(Job.status == JobStatus.RUNNING))
    lost = sum(is_lost(job, now) for job in running)
    if lost:
        counts |= {"running": counts["running"] - lost, "interrupted": lost}
    return {status: count for status, count in counts.items() if count}


def state_of(session: Session, project: Project, now: datetime, row: Snapshot | Run | Study) -> str:
    """Say of a snapshot, run or study whether it is ready, running, waiting for a worker (`queued`) or interrupted.

    A row stays `building` when its process is killed; the lock that the process held does not.
    """
    if row.status is not BuildStatus.BUILDING:
        return row.status.value
    return _state_of_unfinished(session, project, now, _KINDS[type(row)], row.name)


def state_of_fit(session: Session, project: Project, now: datetime, name: str) -> str:
    """Say of the unfinished fit of a generator whether it is running, queued or interrupted."""
    return _state_of_unfinished(session, project, now, "generator", name)


_KINDS: dict[type[Any], str] = {Snapshot: "snapshot", Run: "run", Study: "study"}


def _state_of_unfinished(session: Session, project: Project, now: datetime, kind: str, name: str) -> str:
    if is_being_made(project, kind, name):
        return "running"
    makes = {"run": "train", "study": "study", "generator": "fit"}.get(kind)
    jobs = [job for job in open_jobs_naming(session, kind, name) if job.kind == makes]
    return _state_of_jobs(jobs, now)


def _state_of_jobs(jobs: Sequence[Job], now: datetime) -> str:
    """Say how far the newest of the open jobs about one thing is; without one, nobody is at it."""
    if not jobs or is_lost(jobs[-1], now):
        return "interrupted"
    return jobs[-1].status.value


def _near_copies(session: Session) -> dict[str, dict[str, int]] | None:
    """Count the held-out images of each split that look like a training image of another subject."""
    if not is_searched(session):
        return None
    counts = count_near_copies(session)
    return {count.split.value: {"images": count.images, "near_copies": count.near_copies} for count in counts}


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


def list_batches(session: Session, now: datetime) -> list[dict[str, Any]]:
    """Say of every batch which generator draws it, how far it is and in which state."""
    drawn_count = select(func.count(Image.id)).where(Image.batch_id == Batch.id).scalar_subquery()
    query = select(Batch, Generator.name, drawn_count).join(Batch.generator).order_by(Batch.id)
    return [
        {
            "batch": batch.id,
            "generator": generator,
            "status": state_of_batch(session, now, batch),
            "drawn": count,
            "size": batch.size,
        }
        for batch, generator, count in session.execute(query)
    ]


def state_of_batch(session: Session, now: datetime, batch: Batch) -> str:
    """Say of a batch whether it is ready, running, waiting for a worker (`queued`), cancelled or interrupted."""
    if batch.status is not BuildStatus.BUILDING:
        return batch.status.value
    job = session.scalars(select(Job).where(Job.dedupe_key == f"generate:{batch.id}")).one_or_none()
    return _state_of_jobs([job] if job is not None else [], now)


def _worklists(session: Session) -> list[dict[str, Any]]:
    """Count the readings of candidates by people, as the overview does; those by proxies are counted apart."""
    done = Assignment.state == AssignmentState.DONE
    of_proxies = (Assignment.slot >= PROXY_SLOT, Assignment.slot < CONTROL_SLOT, done)
    by_proxies = select(func.count(Assignment.id)).where(Assignment.worklist_id == Worklist.id, *of_proxies)
    query = select(Worklist, by_proxies.scalar_subquery()).where(Worklist.kind != WorklistKind.PRACTICE)
    lines = []
    for worklist, proxies in session.execute(query.order_by(Worklist.id)):
        given, wanted = count_readings_by_people(session, worklist)
        lines.append(
            {
                "worklist": worklist.name,
                "images": worklist.size,
                "readings_wanted": wanted,
                "readings_by_people": given,
                "read_by_proxies": proxies,
                "state": "closed" if worklist.closed_at else "paused" if worklist.paused_at else "open",
            }
        )
    return lines


def _readings(session: Session) -> dict[str, int]:
    """Count verdicts that stand, by kind of reader."""
    query = select(Reader.kind, func.count()).join(Reading, Reader.id == Reading.reader_id).where(stands())
    counts = {kind: count for kind, count in session.execute(query.group_by(Reader.kind))}
    return {kind.value: counts.get(kind, 0) for kind in ReaderKind}
