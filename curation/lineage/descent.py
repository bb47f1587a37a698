"""Find everything that descends from one subject, through every generation of generators.

What a generator or a run saw is read from the rows that were made from its card. A snapshot that kept the subject for
testing is no path: a generator fitted on it did not see the subject.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from curation.errors import NotFound
from curation.provenance.aliases import with_bound_subjects
from curation.provenance.written_names import pasted
from curation.tables.generation import Batch, Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Image, Subject
from curation.tables.reading import Reading, Worklist, WorklistItem
from curation.tables.training import Run, Snapshot, SnapshotItem, Study, arm_snapshot_name
from curation.tables.withdrawals import AffectedKind, Withdrawal

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Descendant:
    """A generator, batch, snapshot, run or study that descends from the subject, and why."""

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
    generators: list[Descendant]
    batches: list[Descendant]
    snapshots: list[Descendant]
    runs: list[Descendant]
    studies: list[Descendant]
    worklists: list[InWorklist]
    synthetic: int

    @property
    def removed(self) -> list[int]:
        """List the images that a withdrawal removes: those of the subject, and altered copies of them."""
        return self.images + self.altered

    @property
    def affected(self) -> list[Descendant]:
        """List everything that a withdrawal marks: generators, batches, snapshots, runs and studies, in this order."""
        return [*self.generators, *self.batches, *self.snapshots, *self.runs, *self.studies]


def find_subject(session: Session, key: str) -> Subject:
    """Find the subject by its key, or by that of a subject bound into it, in any Unicode form; raises NotFound."""
    written = with_bound_subjects(session, {key, pasted(key)})
    subject = session.scalars(select(Subject).where(Subject.key.in_(written)).order_by(Subject.key != key)).first()
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
    altered = _altered_images(session, images)
    shown = images + altered
    generators = _generators(session, subject, images)
    batches = _batches(session, generators)
    batch_ids = [batch.id for batch in batches]
    snapshots = _snapshots(session, shown, batch_ids)
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
        worklists=_worklists(session, shown, batch_ids),
        synthetic=session.scalar(select(func.count()).select_from(Image).where(Image.batch_id.in_(batch_ids))) or 0,
    )


def _altered_images(session: Session, images: list[int]) -> list[int]:
    """Find the images altered from these, from those in turn, and so on."""
    altered: list[int] = []
    parents = images
    while parents:
        parents = list(session.scalars(select(Image.id).where(Image.altered_from_id.in_(parents)).order_by(Image.id)))
        altered += parents
    return altered


def _pixels(images: list[int]) -> Select[str]:
    return select(Image.pixel_sha256).where(Image.id.in_(images))


def _generators(session: Session, subject: Subject, images: list[int]) -> list[Descendant]:
    by_key = select(GeneratorSubject.generator_id).where(GeneratorSubject.subject_key == subject.key)
    by_pixels = select(GeneratorPixels.generator_id).where(GeneratorPixels.pixel_sha256.in_(_pixels(images)))
    query = select(Generator).where(or_(Generator.id.in_(by_key), Generator.id.in_(by_pixels))).order_by(Generator.id)
    generators = list(session.scalars(query))
    weights = {generator.weights_digest for generator in generators}

    def why(generator: Generator) -> str:
        parents = generator.card.get("fitted_on", {}).get("ancestors", ())
        through = [parent["name"] for parent in parents if parent["weights_digest"] in weights]
        return f"saw it, also through {', '.join(through)}" if through else "saw it"

    return [Descendant(AffectedKind.GENERATOR, row.id, row.name, why(row)) for row in generators]


def _batches(session: Session, generators: list[Descendant]) -> list[Descendant]:
    names = {generator.id: generator.name for generator in generators}
    query = select(Batch).where(Batch.generator_id.in_(names)).order_by(Batch.id)
    return [
        Descendant(AffectedKind.BATCH, row.id, str(row.id), f"drawn by {names[row.generator_id]}")
        for row in session.scalars(query)
    ]


def _snapshots(session: Session, shown: list[int], batches: list[int]) -> list[Descendant]:
    of_batches = select(Image.id).where(Image.batch_id.in_(batches))
    held = _count_by(session, SnapshotItem.snapshot_id, SnapshotItem.image_id.in_(shown))
    drawn = _count_by(session, SnapshotItem.snapshot_id, SnapshotItem.image_id.in_(of_batches))
    names = {row.id: row.name for row in session.scalars(select(Snapshot).where(Snapshot.id.in_({*held, *drawn})))}
    notes = {number: _holding_note(held.get(number, 0), drawn.get(number, 0)) for number in sorted(names)}
    return [Descendant(AffectedKind.SNAPSHOT, number, names[number], note) for number, note in notes.items()]


def _count_by(session: Session, holder: InstrumentedAttribute[int], condition: ColumnElement[bool]) -> dict[int, int]:
    query = select(holder, func.count()).where(condition).group_by(holder)
    return {number: count for number, count in session.execute(query)}


def _holding_note(real: int, synthetic: int) -> str:
    parts = [f"{real} of its images"] if real else []
    parts += [f"{synthetic} synthetic images that descend from it"] if synthetic else []
    return f"holds {' and '.join(parts)}"


def _runs(
    session: Session, root: Path, subject: Subject, shown: list[int], snapshots: list[Descendant]
) -> list[Descendant]:
    """Find runs on an affected snapshot, and runs whose card says that the weights saw the subject.

    A run that the subject was taken out of again does not descend from it.
    """
    withdrawal = session.scalars(select(Withdrawal.id).where(Withdrawal.subject_id == subject.id)).one_or_none()
    names = {snapshot.id: snapshot.name for snapshot in snapshots}
    pixels = set(session.scalars(_pixels(shown)))
    affected = []
    for run in session.scalars(select(Run).order_by(Run.id)):
        card = _card(root / run.directory)
        if withdrawal in card.get("taken_out", ()):
            continue
        why = f"adapted to snapshot {names[run.snapshot_id]}" if run.snapshot_id in names else ""
        why = why or ("its weights saw it, through its backbone" if _saw(card, subject, pixels) else "")
        if why:
            affected.append(Descendant(AffectedKind.RUN, run.id, run.name, why))
    return affected


def _card(directory: Path) -> dict[str, Any]:
    path = directory / "card.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _saw(card: dict[str, Any], subject: Subject, pixels: set[str]) -> bool:
    saw = card.get("saw", {})
    return subject.key in saw.get("subjects", ()) or not pixels.isdisjoint(saw.get("pixel_sha256", ()))


def _studies(session: Session, snapshots: list[Descendant], runs: list[Descendant]) -> list[Descendant]:
    """Find studies with an affected arm, or whose backbone is an affected run."""
    affected = {snapshot.name for snapshot in snapshots}
    models = {f"runs/{run.name}/" for run in runs}
    studies = []
    for study in session.scalars(select(Study).order_by(Study.id)):
        arms = [name for name in arm_snapshots(study) if name in affected]
        backbone = f"{study.plan.get('adaptation', {}).get('backbone', '')}/"
        if arms or any(model in backbone for model in models):
            why = f"compared {', '.join(arms)}" if arms else "its backbone is an affected run"
            studies.append(Descendant(AffectedKind.STUDY, study.id, study.name, why))
    return studies


def arm_snapshots(study: Study) -> list[str]:
    """Name the snapshots that a study compares: from its result, or as they are named while it runs."""
    compared = {name: arm["snapshot"] for name, arm in study.result.get("arms", {}).items()}
    return [compared.get(arm, arm_snapshot_name(study.name, arm)) for arm in study.plan.get("arms", ())]


def _worklists(session: Session, shown: list[int], batches: list[int]) -> list[InWorklist]:
    drawn = select(Image.id).where(Image.batch_id.in_(batches))
    either = or_(WorklistItem.image_id.in_(shown), WorklistItem.image_id.in_(drawn))
    showing = _count_by(session, WorklistItem.worklist_id, WorklistItem.image_id.in_(shown))
    descending = _count_by(session, WorklistItem.worklist_id, WorklistItem.image_id.in_(drawn))
    readings = dict(
        session.execute(
            select(WorklistItem.worklist_id, func.count())
            .join(Reading, Reading.item_id == WorklistItem.id)
            .where(either, Reading.verdict.is_not(None))
            .group_by(WorklistItem.worklist_id)
        ).all()
    )
    query = select(Worklist.id, Worklist.name).where(Worklist.id.in_({*showing, *descending})).order_by(Worklist.id)
    counts = (showing, descending, readings)
    return [InWorklist(*row, *(by_id.get(row.id, 0) for by_id in counts)) for row in session.execute(query)]
