"""Take one step up: find what a node descends from."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.lineage.descent import arm_snapshots
from curation.lineage.graph import NodeKind, Ref, Step, Steps
from curation.lineage.nodes import split_group_key
from curation.lineage.relations import (
    ancestor_weights,
    approved_between,
    autoencoder_weights,
    fitted_on,
    images_of_snapshot,
    images_of_worklist,
    run_in_path,
    uses_outcomes_of,
    was_fitted_on,
)
from curation.tables.generation import Batch, Generator
from curation.tables.images import Image, Subject
from curation.tables.reading import Worklist
from curation.tables.training import AddedBackbone, Run, Snapshot, Study


def _above_images(session: Session, key: str) -> list[Step]:
    owner, owner_key = split_group_key(key)
    if owner != "subject":
        return [Step(Ref(NodeKind(owner), owner_key))]
    of_subject = select(Image.import_id).join(Subject, Subject.id == Image.subject_id).where(Subject.key == owner_key)
    imports = session.scalars(of_subject.distinct())
    steps = [Step(Ref(NodeKind.IMPORT, str(import_id)), "came with it") for import_id in imports]
    return [Step(Ref(NodeKind.SUBJECT, owner_key)), *steps]


def _above_image(session: Session, key: str) -> list[Step]:
    row = session.get_one(Image, int(key))
    steps = []
    if row.subject_id is not None:
        steps.append(Step(Ref(NodeKind.SUBJECT, session.get_one(Subject, row.subject_id).key), "shows"))
    if row.import_id is not None:
        steps.append(Step(Ref(NodeKind.IMPORT, str(row.import_id)), "came with"))
    if row.batch_id is not None:
        steps.append(Step(Ref(NodeKind.BATCH, str(row.batch_id)), f"drawn as number {row.batch_index}"))
    if row.altered_from_id is not None:
        steps.append(Step(Ref(NodeKind.IMAGE, str(row.altered_from_id)), "altered from"))
    return steps


def _above_generator(session: Session, key: str) -> list[Step]:
    """Find the snapshot it was fitted on, and the generator of its autoencoder.

    Where the snapshot is of another project, the ancestors that its card names.
    """
    row = session.scalars(select(Generator).where(Generator.name == key)).one()
    name, _ = fitted_on(row)
    snapshot = session.scalars(select(Snapshot).where(Snapshot.name == name)).one_or_none()
    autoencoder = _named_generators(session, autoencoder_weights(row), "took over its autoencoder")
    if snapshot is not None and was_fitted_on(row, snapshot):
        return [Step(Ref(NodeKind.SNAPSHOT, snapshot.name), "fitted on"), *autoencoder]
    steps = [Step(Ref(NodeKind.ELSEWHERE, f"snapshot {name}"), "fitted on")] if name else []
    return [*steps, *_named_generators(session, ancestor_weights(row), "fitted on its images"), *autoencoder]


def _named_generators(session: Session, names_by_weights: Mapping[str, str], how: str) -> list[Step]:
    """Find generators by their weights: those of this project, or their names elsewhere."""
    steps = []
    for weights, name in names_by_weights.items():
        known = session.scalars(select(Generator.name).where(Generator.weights_digest == weights)).first()
        ref = Ref(NodeKind.GENERATOR, known) if known else Ref(NodeKind.ELSEWHERE, f"generator {name}")
        steps.append(Step(ref, how))
    return steps


def _above_worklist(session: Session, key: str) -> list[Step]:
    return images_of_worklist(session, session.scalars(select(Worklist.id).where(Worklist.name == key)).one())


def _above_snapshot(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Snapshot).where(Snapshot.name == key)).one()
    steps = images_of_snapshot(session, row.id)
    if row.reading_ids:
        for _, _, worklist, count in session.execute(approved_between(Snapshot.id == row.id)):
            if uses_outcomes_of(row, worklist):
                steps.append(Step(Ref(NodeKind.OUTCOMES, f"worklist/{worklist}"), f"{count:,} approved"))
    return steps


def _above_run(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Run).where(Run.name == key)).one()
    snapshot = session.get_one(Snapshot, row.snapshot_id).name
    return [Step(Ref(NodeKind.SNAPSHOT, snapshot), "adapted to"), *_backbone(session, row.config)]


def _above_study(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Study).where(Study.name == key)).one()
    present = set(session.scalars(select(Snapshot.name).where(Snapshot.name.in_(arm_snapshots(row)))))
    arms = zip(row.plan.get("arms", ()), arm_snapshots(row), strict=True)
    steps = [Step(Ref(NodeKind.SNAPSHOT, name), str(arm)) for arm, name in arms if name in present]
    return steps + _backbone(session, row.plan.get("adaptation", {}))


def _backbone(session: Session, config: dict[str, object]) -> list[Step]:
    backbone = str(config.get("backbone", "shipped"))
    if session.scalars(select(AddedBackbone.id).where(AddedBackbone.name == backbone)).first() is not None:
        return [Step(Ref(NodeKind.BACKBONE, backbone), "backbone")]
    run = run_in_path(session, backbone)
    return [Step(Ref(NodeKind.RUN, run.name) if run else Ref(NodeKind.ELSEWHERE, f"backbone {backbone}"), "backbone")]


def _above_backbone(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(AddedBackbone).where(AddedBackbone.name == key)).one()
    return [Step(Ref(NodeKind.ELSEWHERE, str(row.card.get("source", "weights from elsewhere"))), "added from")]


def _above_report(session: Session, key: str) -> list[Step]:
    owner, owner_key = split_group_key(key)
    return [Step(Ref(NodeKind(owner), owner_key if owner == "study" else owner_key.rpartition("/")[0]))]


UP: dict[NodeKind, Steps] = {
    NodeKind.IMPORT: lambda _, key: [Step(Ref(NodeKind.SUBJECTS, f"import/{key}"))],
    NodeKind.IMAGES: _above_images,
    NodeKind.IMAGE: _above_image,
    NodeKind.BATCH: lambda session, key: [
        Step(Ref(NodeKind.GENERATOR, session.get_one(Batch, int(key)).generator.name), "drew")
    ],
    NodeKind.GENERATOR: _above_generator,
    NodeKind.WORKLIST: _above_worklist,
    NodeKind.READINGS: _above_images,
    NodeKind.OUTCOMES: lambda _, key: [Step(Ref(NodeKind.READINGS, key))],
    NodeKind.SNAPSHOT: _above_snapshot,
    NodeKind.BACKBONE: _above_backbone,
    NodeKind.RUN: _above_run,
    NodeKind.STUDY: _above_study,
    NodeKind.REPORT: _above_report,
}
