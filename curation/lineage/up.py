"""One step up: what a node descends from."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.lineage.descent import arm_snapshots
from curation.lineage.graph import Kind, Ref, Step, Steps
from curation.lineage.nodes import of_group
from curation.lineage.relations import (
    ancestor_weights,
    approved_between,
    counts_outcomes,
    fitted_on,
    images_of_snapshot,
    images_of_worklist,
    run_in_path,
    was_fitted_on,
)
from curation.tables.generation import Batch, Generator
from curation.tables.images import Image, Subject
from curation.tables.reading import Worklist
from curation.tables.training import Run, Snapshot, Study


def _import(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.SUBJECTS, f"import/{key}"))]


def _images(session: Session, key: str) -> list[Step]:
    what, rest = of_group(key)
    if what != "subject":
        return [Step(Ref(Kind(what), rest))]
    of_subject = select(Image.import_id).join(Subject, Subject.id == Image.subject_id).where(Subject.key == rest)
    imports = session.scalars(of_subject.distinct())
    return [Step(Ref(Kind.SUBJECT, rest)), *(Step(Ref(Kind.IMPORT, str(one)), "came with it") for one in imports)]


def _image(session: Session, key: str) -> list[Step]:
    row = session.get_one(Image, int(key))
    found = []
    if row.subject_id is not None:
        found.append(Step(Ref(Kind.SUBJECT, session.get_one(Subject, row.subject_id).key), "shows"))
    if row.import_id is not None:
        found.append(Step(Ref(Kind.IMPORT, str(row.import_id)), "came with"))
    if row.batch_id is not None:
        found.append(Step(Ref(Kind.BATCH, str(row.batch_id)), f"drawn as number {row.batch_index}"))
    if row.altered_from_id is not None:
        found.append(Step(Ref(Kind.IMAGE, str(row.altered_from_id)), "altered from"))
    return found


def _batch(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.GENERATOR, session.get_one(Batch, int(key)).generator.name), "drew")]


def _generator(session: Session, key: str) -> list[Step]:
    """The snapshot it was fitted on; where that is not of this project, the ancestors that its card names."""
    row = session.scalars(select(Generator).where(Generator.name == key)).one()
    name, _ = fitted_on(row)
    snapshot = session.scalars(select(Snapshot).where(Snapshot.name == name)).one_or_none()
    if snapshot is not None and was_fitted_on(row, snapshot):
        return [Step(Ref(Kind.SNAPSHOT, snapshot.name), "fitted on")]
    found = [Step(Ref(Kind.ELSEWHERE, f"snapshot {name}"), "fitted on")] if name else []
    for weights, ancestor in ancestor_weights(row).items():
        known = session.scalars(select(Generator.name).where(Generator.weights_digest == weights)).first()
        ref = Ref(Kind.GENERATOR, known) if known else Ref(Kind.ELSEWHERE, f"generator {ancestor}")
        found.append(Step(ref, "fitted on its images"))
    return found


def _worklist(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Worklist).where(Worklist.name == key)).one()
    return images_of_worklist(session, row.id)


def _readings(session: Session, key: str) -> list[Step]:
    what, rest = of_group(key)
    return [Step(Ref(Kind(what), rest))]


def _outcomes(session: Session, key: str) -> list[Step]:
    return [Step(Ref(Kind.READINGS, key))]


def _snapshot(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Snapshot).where(Snapshot.name == key)).one()
    found = images_of_snapshot(session, row.id)
    if row.reading_ids:
        for _, _, worklist, count in session.execute(approved_between(Snapshot.id == row.id)):
            if counts_outcomes(row, worklist):
                found.append(Step(Ref(Kind.OUTCOMES, f"worklist/{worklist}"), f"{count:,} approved"))
    return found


def _run(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Run).where(Run.name == key)).one()
    snapshot = session.get_one(Snapshot, row.snapshot_id).name
    return [Step(Ref(Kind.SNAPSHOT, snapshot), "adapted to"), *_backbone(session, row.config)]


def _study(session: Session, key: str) -> list[Step]:
    row = session.scalars(select(Study).where(Study.name == key)).one()
    here = set(session.scalars(select(Snapshot.name).where(Snapshot.name.in_(arm_snapshots(row)))))
    arms = zip(row.plan.get("arms", ()), arm_snapshots(row), strict=True)
    found = [Step(Ref(Kind.SNAPSHOT, name), str(arm)) for arm, name in arms if name in here]
    return found + _backbone(session, row.plan.get("adaptation", {}))


def _backbone(session: Session, config: dict[str, object]) -> list[Step]:
    given = str(config.get("backbone", "shipped"))
    run = run_in_path(session, given)
    if run is not None:
        return [Step(Ref(Kind.RUN, run.name), "backbone")]
    return [Step(Ref(Kind.ELSEWHERE, f"backbone {given}"), "backbone")]


def _report(session: Session, key: str) -> list[Step]:
    what, rest = of_group(key)
    return [Step(Ref(Kind.STUDY, rest) if what == "study" else Ref(Kind.RUN, rest.rpartition("/")[0]))]


UP: dict[Kind, Steps] = {
    Kind.IMPORT: _import,
    Kind.IMAGES: _images,
    Kind.IMAGE: _image,
    Kind.BATCH: _batch,
    Kind.GENERATOR: _generator,
    Kind.WORKLIST: _worklist,
    Kind.READINGS: _readings,
    Kind.OUTCOMES: _outcomes,
    Kind.SNAPSHOT: _snapshot,
    Kind.RUN: _run,
    Kind.STUDY: _study,
    Kind.REPORT: _report,
}
