"""A cohort with drawn images that were read, for the tests of set-level measures."""

from collections.abc import Sequence

from sqlalchemy import select, update

from curation.project import Project
from curation.reading.slots import slot_values
from curation.tables.generation import Batch, GeneratorPixels, GeneratorSubject
from curation.tables.images import BuildStatus, Image, Import
from curation.tables.people import ReaderKind
from curation.tables.reading import Assignment, AssignmentState, Purpose, Reading, Verdict, Worklist, WorklistItem
from tests.curation.reading_room import add_person
from tests.operation_ids import new_op_id
from tests.rows import NOW
from tests.screening.cohort import add_cohort

TRAIN, VALIDATION, DRAWN = range(0, 80), range(1_000, 1_048), range(3_000, 3_060)
NOTICE = "SIMULATED for tests"


def cohort_with_notice(project: Project) -> dict[int, int]:
    """Eighty training and forty-eight validation subjects with an age; returns image ids by subject number."""
    images = add_cohort(project, train=TRAIN, validation=VALIDATION)
    with project.database.write() as session:
        session.execute(update(Import).values(notice=NOTICE))
        for number, image_id in images.items():
            session.get_one(Image, image_id).covariates = {"age": 30 + number % 50, "sex": "MF"[number // 2 % 2]}
    return images


def images_of(project: Project, batch_id: int) -> list[int]:
    """Image ids of a batch by index."""
    with project.database.read() as session:
        return list(session.scalars(select(Image.id).where(Image.batch_id == batch_id).order_by(Image.batch_index)))


def read(
    project: Project,
    image_ids: Sequence[int],
    verdicts: Sequence[Verdict],
    name: str = "first",
    kind: ReaderKind = ReaderKind.HUMAN,
) -> None:
    """A worklist of these images with one reading of each."""
    with project.database.write() as session:
        reader_id = add_person(session, f"reader of {name}", kind)
        worklist = Worklist(
            name=name,
            status=BuildStatus.READY,
            question="?",
            label_shown=True,
            readers_per_image=1,
            rule={"kind": "single", "readers": 1},
            classes=["normal", "bright"],
            reasons=[],
            recipe={},
            size=len(image_ids),
            created_at=NOW,
        )
        session.add(worklist)
        session.flush()
        for position, (image_id, outcome) in enumerate(zip(image_ids, verdicts, strict=True)):
            item = WorklistItem(
                worklist_id=worklist.id, image_id=image_id, purpose=Purpose.CANDIDATE, position=position
            )
            session.add(item)
            session.flush()
            done = slot_values(worklist.id, item.id, position, 0)
            assignment = Assignment(**(done | {"state": AssignmentState.DONE, "reader_id": reader_id}))
            session.add(assignment)
            session.flush()
            session.add(
                Reading(
                    op_id=new_op_id(),
                    assignment_id=assignment.id,
                    item_id=item.id,
                    reader_id=reader_id,
                    verdict=outcome,
                    reasons=[],
                    read_at=NOW,
                    created_at=NOW,
                )
            )


def fitted_on(project: Project, batch_id: int, numbers: Sequence[int]) -> None:
    """Say that the batch's generator saw these subjects."""
    with project.database.write() as session:
        generator_id = session.get_one(Batch, batch_id).generator_id
        session.add_all(GeneratorSubject(generator_id=generator_id, subject_key=f"p{number}") for number in numbers)


def fitted_elsewhere(project: Project, batch_id: int) -> None:
    """Say that the batch's generator saw an image that is not here."""
    with project.database.write() as session:
        generator_id = session.get_one(Batch, batch_id).generator_id
        session.add(GeneratorPixels(generator_id=generator_id, pixel_sha256="0" * 64))
