"""A project with images of every split and some approved synthetic ones, for the tests of snapshots."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from curation.project import Project
from curation.reading.slots import slot_values
from curation.snapshots.mix import MixRecipe
from curation.tables.images import BuildStatus, Image, Split
from curation.tables.reading import Assignment, AssignmentState, Purpose, Reading, Verdict, Worklist, WorklistItem
from tests.curation.reading_room import add_person
from tests.operation_ids import new_op_id
from tests.rows import NOW, add_batch, add_generator, add_import, add_real

RULE = {"kind": "single", "readers": 1}
REAL_ONLY = MixRecipe(synthetic="none")


def fill(project: Project, generator_saw: str = "elsewhere", order: Callable[[list[int]], list[int]] = list) -> None:
    """Nine training, three validation, three test and six reserve subjects of two classes; eight synthetic images."""
    splits = [Split.TRAIN] * 9 + [Split.VALIDATION] * 3 + [Split.TEST] * 3 + [Split.RESERVE] * 6
    with project.database.write() as session:
        source = add_import(session, notice="SIMULATED")
        for number in order(list(range(len(splits)))):
            add_real(project, session, source, number, "ab"[number % 2], splits[number])
        generator = add_generator(session, "gen", (generator_saw,), ("0" * 64,))
        images = add_batch(project, session, generator, ["a", "b"] * 4)
        approve(session, images[:4])


def approve(session: Session, images: list[Image], name: str = "first", verdict: Verdict = Verdict.ACCEPT) -> None:
    """A worklist with one reading of each image, by a person."""
    reader_id = add_person(session, f"reader of {name}")
    worklist = Worklist(
        name=name,
        status=BuildStatus.READY,
        question="?",
        label_shown=True,
        readers_per_image=1,
        rule=RULE,
        classes=["a", "b"],
        reasons=[],
        recipe={},
        size=len(images),
        created_at=NOW,
    )
    session.add(worklist)
    session.flush()
    for position, image in enumerate(images):
        add_reading(session, worklist.id, image.id, reader_id, position, verdict)


def add_reading(session: Session, worklist: int, image: int, reader: int, position: int, verdict: Verdict) -> None:
    """The item, its slot and the verdict on it."""
    item = WorklistItem(worklist_id=worklist, image_id=image, purpose=Purpose.CANDIDATE, position=position)
    session.add(item)
    session.flush()
    done = slot_values(worklist, item.id, position, 0) | {"state": AssignmentState.DONE, "reader_id": reader}
    assignment = Assignment(**done)
    session.add(assignment)
    session.flush()
    times = {"read_at": NOW, "created_at": NOW}
    slot = {"assignment_id": assignment.id, "item_id": item.id, "reader_id": reader}
    session.add(Reading(op_id=new_op_id(), verdict=verdict, reasons=[], **slot, **times))
