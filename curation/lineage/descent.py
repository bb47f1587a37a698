"""Everything that descends from one subject: its images, what was fitted on them, and what was made of that in turn.

What a generator or a run saw is asked of the rows that its card made: a path through a snapshot that held the subject
back for testing does not count as having seen it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.tables.generation import Batch, Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Image, Subject
from curation.tables.reading import Reading, Worklist, WorklistItem
from curation.tables.training import Run, Snapshot, SnapshotItem, Study, arm_snapshot_name
from curation.tables.withdrawals import AffectedKind

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that descends from the subject, and how."""

    kind: AffectedKind
    id: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class InWorklist:
    """A worklist that shows images of the subject, or synthetic ones that descend from it; its readings stay."""

    id: int
    name: str
    images: int
    descendants: int
    readings: int


@dataclass(frozen=True, slots=True)
class Descent:
    """A subject with its images (altered ones among them), and everything that descends from them."""

    subject: Subject
    images: list[int]
    altered: list[int]
    generators: list[Found]
    batches: list[Found]
    snapshots: list[Found]
    runs: list[Found]
    studies: list[Found]
    worklists: list[InWorklist]
    synthetic: int

    @property
    def removed(self) -> list[int]:
        """The images that show the subject, as they are or altered."""
        return self.images + self.altered

    @property
    def affected(self) -> list[Found]:
        """Everything that is marked, in the order of the loop."""
        return [*self.generators, *self.batches, *self.snapshots, *self.runs, *self.studies]


def find_subject(session: Session, key: str) -> Subject:
    """The subject by its key; raises NotFound."""
    subject = session.scalars(select(Subject).where(Subject.key == key)).one_or_none()
    if subject is None:
        raise NotFound(
            f"no subject {key!r} in this project: expected the key that snapshots and cards name it by. "
            "`rounds lineage image:ID` says whose an image is."
        )
    return subject


def descent_of(session: Session, root: Path, key: str) -> Descent:
    """Walk down from the subject called `key`; `root` is the project's directory, where the cards of runs lie."""
    subject = find_subject(session, key)
    images = list(session.scalars(select(Image.id).where(Image.subject_id == subject.id).order_by(Image.id)))
    altered = _altered(session, images)
    shown = images + altered
    generators = _generators(session, subject, images)
    batches = _batches(session, generators)
    snapshots = _snapshots(session, shown, [one.id for one in batches])
    runs = _runs(session, root, subject, shown, snapshots)
    return Descent(
        subject=subject,
        images=images,
        altered=altered,
        generators=generators,
        batches=batches,
        snapshots=snapshots,
        runs=runs,
        studies=_studies(session, snapshots, runs),
        worklists=_worklists(session, shown, [one.id for one in batches]),
        synthetic=session.scalar(_count_of([one.id for one in batches])) or 0,
    )


def _count_of(batches: list[int]) -> Select[int]:
    return select(func.count()).select_from(Image).where(Image.batch_id.in_(batches))


def _altered(session: Session, images: list[int]) -> list[int]:
    """Images made from these, from those made from them, and so on."""
    found: list[int] = []
    parents = images
    while parents:
        made = select(Image.id).where(Image.altered_from_id.in_(parents)).order_by(Image.id)
        parents = list(session.scalars(made))
        found += parents
    return found


def _pixels(images: list[int]) -> Select[str]:
    return select(Image.pixel_sha256).where(Image.id.in_(images))


def _generators(session: Session, subject: Subject, images: list[int]) -> list[Found]:
    by_key = select(GeneratorSubject.generator_id).where(GeneratorSubject.subject_key == subject.key)
    by_pixels = select(GeneratorPixels.generator_id).where(GeneratorPixels.pixel_sha256.in_(_pixels(images)))
    query = select(Generator).where(or_(Generator.id.in_(by_key), Generator.id.in_(by_pixels))).order_by(Generator.id)
    found = list(session.scalars(query))
    seen_by = {one.weights_digest for one in found}

    def why(generator: Generator) -> str:
        parents = generator.card.get("fitted_on", {}).get("ancestors", ())
        through = [one["name"] for one in parents if one["weights_digest"] in seen_by]
        return f"saw it, also through {', '.join(through)}" if through else "saw it"

    return [Found(AffectedKind.GENERATOR, one.id, one.name, why(one)) for one in found]


def _batches(session: Session, generators: list[Found]) -> list[Found]:
    names = {one.id: one.name for one in generators}
    query = select(Batch).where(Batch.generator_id.in_(names)).order_by(Batch.id)
    return [
        Found(AffectedKind.BATCH, one.id, str(one.id), f"drawn by {names[one.generator_id]}")
        for one in session.scalars(query)
    ]


def _snapshots(session: Session, shown: list[int], batches: list[int]) -> list[Found]:
    held = dict(_held_by_snapshot(session, SnapshotItem.image_id.in_(shown)))
    drawn = dict(
        _held_by_snapshot(session, SnapshotItem.image_id.in_(select(Image.id).where(Image.batch_id.in_(batches))))
    )
    names = {one.id: one.name for one in session.scalars(select(Snapshot).where(Snapshot.id.in_({*held, *drawn})))}
    return [
        Found(AffectedKind.SNAPSHOT, number, names[number], _holds(held.get(number, 0), drawn.get(number, 0)))
        for number in sorted(names)
    ]


def _held_by_snapshot(session: Session, condition: ColumnElement[bool]) -> Iterable[tuple[int, int]]:
    query = select(SnapshotItem.snapshot_id, func.count()).where(condition).group_by(SnapshotItem.snapshot_id)
    return [(row[0], row[1]) for row in session.execute(query)]


def _holds(own: int, drawn: int) -> str:
    parts = [f"{own} of its images"] if own else []
    parts += [f"{drawn} synthetic images that descend from it"] if drawn else []
    return f"holds {' and '.join(parts)}"


def _runs(session: Session, root: Path, subject: Subject, shown: list[int], snapshots: list[Found]) -> list[Found]:
    """Runs on an affected snapshot, and runs whose card says that the weights saw the subject, through any backbone."""
    names = {one.id: one.name for one in snapshots}
    pixels = set(session.scalars(_pixels(shown)))
    found = []
    for run in session.scalars(select(Run).order_by(Run.id)):
        why = f"adapted to snapshot {names[run.snapshot_id]}" if run.snapshot_id in names else ""
        why = why or ("its weights saw it, through its backbone" if _saw(root / run.directory, subject, pixels) else "")
        if why:
            found.append(Found(AffectedKind.RUN, run.id, run.name, why))
    return found


def _saw(directory: Path, subject: Subject, pixels: set[str]) -> bool:
    path = directory / "card.json"
    if not path.is_file():
        return False
    saw = json.loads(path.read_text()).get("saw", {})
    return subject.key in saw.get("subjects", ()) or not pixels.isdisjoint(saw.get("pixel_sha256", ()))


def _studies(session: Session, snapshots: list[Found], runs: list[Found]) -> list[Found]:
    """Studies with an affected arm, or whose backbone is an affected run."""
    affected = {one.name for one in snapshots}
    models = {f"runs/{one.name}/" for one in runs}
    found = []
    for study in session.scalars(select(Study).order_by(Study.id)):
        arms = [name for name in arm_snapshots(study) if name in affected]
        backbone = f"{study.plan.get('adaptation', {}).get('backbone', '')}/"
        if arms:
            found.append(Found(AffectedKind.STUDY, study.id, study.name, f"compared {', '.join(arms)}"))
        elif any(model in backbone for model in models):
            found.append(Found(AffectedKind.STUDY, study.id, study.name, "its backbone is an affected run"))
    return found


def arm_snapshots(study: Study) -> list[str]:
    """The names of the snapshots that a study compares: of its result, or as they are named while it runs."""
    arms = study.result.get("arms", {})
    named = {name: arm["snapshot"] for name, arm in arms.items()}
    return [named.get(arm, arm_snapshot_name(study.name, arm)) for arm in study.plan.get("arms", ())]


def _worklists(session: Session, shown: list[int], batches: list[int]) -> list[InWorklist]:
    drawn = select(Image.id).where(Image.batch_id.in_(batches))
    either = or_(WorklistItem.image_id.in_(shown), WorklistItem.image_id.in_(drawn))

    def counted(condition: ColumnElement[bool]) -> dict[int, int]:
        query = select(WorklistItem.worklist_id, func.count()).where(condition).group_by(WorklistItem.worklist_id)
        return {number: count for number, count in session.execute(query)}

    own, descending = counted(WorklistItem.image_id.in_(shown)), counted(WorklistItem.image_id.in_(drawn))
    readings = dict(
        session.execute(
            select(WorklistItem.worklist_id, func.count())
            .join(Reading, Reading.item_id == WorklistItem.id)
            .where(either, Reading.verdict.is_not(None))
            .group_by(WorklistItem.worklist_id)
        ).all()
    )
    rows = session.scalars(select(Worklist).where(Worklist.id.in_({*own, *descending})).order_by(Worklist.id))
    return [
        InWorklist(one.id, one.name, own.get(one.id, 0), descending.get(one.id, 0), readings.get(one.id, 0))
        for one in rows
    ]
