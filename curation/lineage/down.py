"""One step down: what descends from a node."""

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from curation.lineage.descent import arm_snapshots
from curation.lineage.graph import Kind, Ref, Step, Steps
from curation.lineage.nodes import altered_of, in_group, of_group, outcome_condition, reading_condition
from curation.lineage.relations import (
    ancestor_weights,
    approved_between,
    counts_outcomes,
    run_in_path,
    snapshots_with,
    was_fitted_on,
    worklists_with,
)
from curation.reading.outcomes import stands
from curation.tables.generation import Batch, Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Image
from curation.tables.reading import Outcome, Reading, Worklist, WorklistItem
from curation.tables.training import Evaluation, Run, Snapshot, Study


def generators_that_saw(session: Session, ref: Ref) -> set[str]:
    """Names of the generators that saw a subject or an image, through every generation of ancestors."""
    images = in_group(f"subject/{ref.key}") if ref.kind is Kind.SUBJECT else Image.id == int(ref.key)
    pixels = GeneratorPixels.pixel_sha256.in_(select(Image.pixel_sha256).where(images))
    saw = [Generator.id.in_(select(GeneratorPixels.generator_id).where(pixels))]
    if ref.kind is Kind.SUBJECT:
        by_key = select(GeneratorSubject.generator_id).where(GeneratorSubject.subject_key == ref.key)
        saw.append(Generator.id.in_(by_key))
    return set(session.scalars(select(Generator.name).where(or_(*saw))))


def _subjects(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.IMPORT, of_group(key)[1]))]


def _subject(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.IMAGES, f"subject/{key}"))]


def _import(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.IMAGES, f"import/{key}"))]


def _images(session: Session, key: str) -> list[Step]:
    shown = or_(in_group(key), Image.altered_from_id.in_(altered_of(key)))
    found = worklists_with(session, shown) + snapshots_with(session, in_group(key))
    what, rest = of_group(key)
    if what == "subject":
        found += _fitted_elsewhere(session, Ref(Kind.SUBJECT, rest))
    return found


def _fitted_elsewhere(session: Session, ref: Ref) -> list[Step]:
    """Generators that saw it in a snapshot of another project; the others are reached through a snapshot here."""
    saw = generators_that_saw(session, ref)
    generators = session.scalars(select(Generator).where(Generator.name.in_(saw)).order_by(Generator.id)).all()
    snapshots = session.scalars(select(Snapshot)).all()
    strangers = [one for one in generators if not any(was_fitted_on(one, snapshot) for snapshot in snapshots)]
    return [Step(Ref(Kind.GENERATOR, one.name), "saw it") for one in strangers]


def _image(session: Session, key: str) -> list[Step]:
    """Altered images, its readings, the snapshots that hold it, the generators that saw its pixels."""
    mine = Image.id == int(key)
    made = session.scalars(select(Image.id).where(Image.altered_from_id == int(key)).order_by(Image.id))
    found = [Step(Ref(Kind.IMAGE, str(one)), "altered") for one in made]
    read = select(Reading.id).join(WorklistItem, WorklistItem.id == Reading.item_id)
    if session.scalars(read.where(WorklistItem.image_id == int(key), stands()).limit(1)).first() is not None:
        found.append(Step(Ref(Kind.READINGS, f"image/{key}")))
    else:
        found += worklists_with(session, mine)
    return found + snapshots_with(session, mine) + _fitted_elsewhere(session, Ref(Kind.IMAGE, key))


def _snapshot(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Snapshot).where(Snapshot.name == key)).one()
    fitted = [one.name for one in session.scalars(select(Generator).order_by(Generator.id)) if was_fitted_on(one, row)]
    found = [Step(Ref(Kind.GENERATOR, name), "fitted on") for name in fitted]
    runs = session.scalars(select(Run.name).where(Run.snapshot_id == row.id).order_by(Run.id))
    found += [Step(Ref(Kind.RUN, name), "adapted to") for name in runs]
    for study in session.scalars(select(Study).order_by(Study.id)):
        arms = zip(study.plan.get("arms", ()), arm_snapshots(study), strict=True)
        found += [Step(Ref(Kind.STUDY, study.name), str(arm)) for arm, name in arms if name == key]
    return found


def _generator(session: Session, key: str) -> list[Step]:
    """Its batches, and generators that were fitted on its images in a snapshot of another project."""
    row = session.scalars(select(Generator).where(Generator.name == key)).one()
    batches = session.scalars(select(Batch.id).where(Batch.generator_id == row.id).order_by(Batch.id))
    found = [Step(Ref(Kind.BATCH, str(number)), "drew") for number in batches]
    snapshots = session.scalars(select(Snapshot)).all()
    for other in session.scalars(select(Generator).order_by(Generator.id)):
        here = any(was_fitted_on(other, snapshot) for snapshot in snapshots)
        if row.weights_digest in ancestor_weights(other) and not here:
            found.append(Step(Ref(Kind.GENERATOR, other.name), "fitted on its images"))
    return found


def _batch(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.IMAGES, f"batch/{key}"))]


def _worklist(session: Session, key: str) -> list[Step]:
    group = f"worklist/{key}"
    mine = select(WorklistItem.id).where(reading_condition(session, group))
    read = session.scalar(select(exists().where(Reading.item_id.in_(mine), stands())))
    return [Step(Ref(Kind.READINGS, group))] if read else []


def _readings(session: Session, key: str) -> list[Step]:
    settled = session.scalar(select(exists().where(outcome_condition(session, key))))
    return [Step(Ref(Kind.OUTCOMES, key))] if settled else []


def _outcomes(session: Session, key: str) -> list[Step]:
    what, rest = of_group(key)
    mine = Worklist.name == rest if what == "worklist" else Outcome.image_id == int(rest)
    found = []
    for snapshot_id, name, worklist, count in session.execute(approved_between(mine)):
        if counts_outcomes(session.get_one(Snapshot, snapshot_id), worklist):
            found.append(Step(Ref(Kind.SNAPSHOT, name), f"{count:,} approved"))
    return found


def _run(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Run).where(Run.name == key)).one()
    splits = session.scalars(select(Evaluation.split).where(Evaluation.run_id == row.id).distinct())
    found = [Step(Ref(Kind.REPORT, f"run/{key}/{split.value}"), "measured") for split in splits]

    def rests_on_it(config: dict[str, object]) -> bool:
        other = run_in_path(session, str(config.get("backbone", "")))
        return other is not None and other.id == row.id

    runs = session.scalars(select(Run).order_by(Run.id)).all()
    found += [Step(Ref(Kind.RUN, one.name), "backbone") for one in runs if rests_on_it(one.config)]
    studies = session.scalars(select(Study).order_by(Study.id)).all()
    on_it = [one.name for one in studies if rests_on_it(one.plan.get("adaptation", {}))]
    return found + [Step(Ref(Kind.STUDY, name), "backbone") for name in on_it]


def _study(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.REPORT, f"study/{key}"))]


DOWN: dict[Kind, Steps] = {
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
}
