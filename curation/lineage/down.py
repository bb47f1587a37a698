"""Take one step down: find what descends from a node."""

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from curation.lineage.descent import arm_snapshots
from curation.lineage.graph import NodeKind, Ref, Step, Steps
from curation.lineage.nodes import altered_of, in_group, of_owner, split_group_key
from curation.lineage.relations import (
    ancestor_weights,
    approved_between,
    autoencoder_weights,
    run_in_path,
    snapshots_with,
    uses_outcomes_of,
    was_fitted_on,
    worklists_with,
)
from curation.reading.outcomes import stands
from curation.tables.generation import Batch, Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Image
from curation.tables.reading import Outcome, Reading, Worklist, WorklistItem
from curation.tables.training import Evaluation, Run, Snapshot, Study


def generators_that_saw(session: Session, ref: Ref) -> set[str]:
    """Name the generators that saw a subject or an image, through every generation of ancestors."""
    images = in_group(f"subject/{ref.key}") if ref.kind is NodeKind.SUBJECT else Image.id == int(ref.key)
    pixels = GeneratorPixels.pixel_sha256.in_(select(Image.pixel_sha256).where(images))
    saw = [Generator.id.in_(select(GeneratorPixels.generator_id).where(pixels))]
    if ref.kind is NodeKind.SUBJECT:
        by_key = select(GeneratorSubject.generator_id).where(GeneratorSubject.subject_key == ref.key)
        saw.append(Generator.id.in_(by_key))
    return set(session.scalars(select(Generator.name).where(or_(*saw))))


def _below_images(session: Session, key: str) -> list[Step]:
    shown = or_(in_group(key), Image.altered_from_id.in_(altered_of(key)))
    steps = worklists_with(session, shown) + snapshots_with(session, in_group(key))
    owner, owner_key = split_group_key(key)
    if owner == "subject":
        steps += _fitted_elsewhere(session, Ref(NodeKind.SUBJECT, owner_key))
    return steps


def _fitted_elsewhere(session: Session, ref: Ref) -> list[Step]:
    """Find generators that saw it in another project's snapshot; the others are reached through a snapshot here."""
    saw = generators_that_saw(session, ref)
    generators = session.scalars(select(Generator).where(Generator.name.in_(saw)).order_by(Generator.id)).all()
    snapshots = session.scalars(select(Snapshot)).all()
    elsewhere = [row for row in generators if not any(was_fitted_on(row, snapshot) for snapshot in snapshots)]
    return [Step(Ref(NodeKind.GENERATOR, row.name), "saw it") for row in elsewhere]


def _below_image(session: Session, key: str) -> list[Step]:
    """Find its altered images and readings, the snapshots that hold it, the generators that saw its pixels."""
    itself = Image.id == int(key)
    altered = session.scalars(select(Image.id).where(Image.altered_from_id == int(key)).order_by(Image.id))
    steps = [Step(Ref(NodeKind.IMAGE, str(image_id)), "altered") for image_id in altered]
    readings = select(Reading.id).join(WorklistItem, WorklistItem.id == Reading.item_id)
    if session.scalars(readings.where(WorklistItem.image_id == int(key), stands()).limit(1)).first() is not None:
        steps.append(Step(Ref(NodeKind.READINGS, f"image/{key}")))
    else:
        steps += worklists_with(session, itself)
    return steps + snapshots_with(session, itself) + _fitted_elsewhere(session, Ref(NodeKind.IMAGE, key))


def _below_snapshot(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Snapshot).where(Snapshot.name == key)).one()
    generators = session.scalars(select(Generator).order_by(Generator.id))
    fitted = [generator.name for generator in generators if was_fitted_on(generator, row)]
    steps = [Step(Ref(NodeKind.GENERATOR, name), "fitted on") for name in fitted]
    runs = session.scalars(select(Run.name).where(Run.snapshot_id == row.id).order_by(Run.id))
    steps += [Step(Ref(NodeKind.RUN, name), "adapted to") for name in runs]
    for study in session.scalars(select(Study).order_by(Study.id)):
        arms = zip(study.plan.get("arms", ()), arm_snapshots(study), strict=True)
        steps += [Step(Ref(NodeKind.STUDY, study.name), str(arm)) for arm, name in arms if name == key]
    return steps


def _below_generator(session: Session, key: str) -> list[Step]:
    """Find its batches, and generators that took over its autoencoder, or were fitted on its images elsewhere."""
    row = session.scalars(select(Generator).where(Generator.name == key)).one()
    batches = session.scalars(select(Batch.id).where(Batch.generator_id == row.id).order_by(Batch.id))
    steps = [Step(Ref(NodeKind.BATCH, str(number)), "drew") for number in batches]
    snapshots = session.scalars(select(Snapshot)).all()
    for other in session.scalars(select(Generator).order_by(Generator.id)):
        is_fitted_here = any(was_fitted_on(other, snapshot) for snapshot in snapshots)
        if row.weights_digest in ancestor_weights(other) and not is_fitted_here:
            steps.append(Step(Ref(NodeKind.GENERATOR, other.name), "fitted on its images"))
        if row.weights_digest in autoencoder_weights(other):
            steps.append(Step(Ref(NodeKind.GENERATOR, other.name), "took over its autoencoder"))
    return steps


def _below_worklist(session: Session, key: str) -> list[Step]:
    group = f"worklist/{key}"
    items = select(WorklistItem.id).where(of_owner(session, WorklistItem, group))
    is_read = session.scalar(select(exists().where(Reading.item_id.in_(items), stands())))
    return [Step(Ref(NodeKind.READINGS, group))] if is_read else []


def _below_readings(session: Session, key: str) -> list[Step]:
    has_outcomes = session.scalar(select(exists().where(of_owner(session, Outcome, key))))
    return [Step(Ref(NodeKind.OUTCOMES, key))] if has_outcomes else []


def _below_outcomes(session: Session, key: str) -> list[Step]:
    owner, owner_key = split_group_key(key)
    condition = Worklist.name == owner_key if owner == "worklist" else Outcome.image_id == int(owner_key)
    steps = []
    for snapshot_id, name, worklist, count in session.execute(approved_between(condition)):
        if uses_outcomes_of(session.get_one(Snapshot, snapshot_id), worklist):
            steps.append(Step(Ref(NodeKind.SNAPSHOT, name), f"{count:,} approved"))
    return steps


def _below_run(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Run).where(Run.name == key)).one()
    splits = session.scalars(select(Evaluation.split).where(Evaluation.run_id == row.id).distinct())
    steps = [Step(Ref(NodeKind.REPORT, f"run/{key}/{split.value}"), "measured") for split in splits]

    def has_backbone_here(config: dict[str, object]) -> bool:
        other = run_in_path(session, str(config.get("backbone", "")))
        return other is not None and other.id == row.id

    runs = session.scalars(select(Run).order_by(Run.id)).all()
    steps += [Step(Ref(NodeKind.RUN, other.name), "backbone") for other in runs if has_backbone_here(other.config)]
    studies = session.scalars(select(Study).order_by(Study.id)).all()
    on_it = [study.name for study in studies if has_backbone_here(study.plan.get("adaptation", {}))]
    return steps + [Step(Ref(NodeKind.STUDY, name), "backbone") for name in on_it]


def _below_backbone(session: Session, key: str) -> list[Step]:
    runs = session.scalars(select(Run).order_by(Run.id)).all()
    studies = session.scalars(select(Study).order_by(Study.id)).all()
    steps = [Step(Ref(NodeKind.RUN, run.name), "adapted") for run in runs if run.config.get("backbone") == key]
    on_it = [study.name for study in studies if study.plan.get("adaptation", {}).get("backbone") == key]
    return steps + [Step(Ref(NodeKind.STUDY, name), "adapted") for name in on_it]


DOWN: dict[NodeKind, Steps] = {
    NodeKind.SUBJECTS: lambda _, key: [Step(Ref(NodeKind.IMPORT, split_group_key(key)[1]))],
    NodeKind.SUBJECT: lambda _, key: [Step(Ref(NodeKind.IMAGES, f"subject/{key}"))],
    NodeKind.IMPORT: lambda _, key: [Step(Ref(NodeKind.IMAGES, f"import/{key}"))],
    NodeKind.IMAGES: _below_images,
    NodeKind.IMAGE: _below_image,
    NodeKind.SNAPSHOT: _below_snapshot,
    NodeKind.GENERATOR: _below_generator,
    NodeKind.BATCH: lambda _, key: [Step(Ref(NodeKind.IMAGES, f"batch/{key}"))],
    NodeKind.WORKLIST: _below_worklist,
    NodeKind.READINGS: _below_readings,
    NodeKind.OUTCOMES: _below_outcomes,
    NodeKind.BACKBONE: _below_backbone,
    NodeKind.RUN: _below_run,
    NodeKind.STUDY: lambda _, key: [Step(Ref(NodeKind.REPORT, f"study/{key}"))],
}
