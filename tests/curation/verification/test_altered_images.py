"""Images damaged or moved on purpose are held against the events that record them."""

from sqlalchemy import delete, insert, select, text, update

from curation.alterations.on_record import ALTERED, record_altered
from curation.progress import silent
from curation.project import Project
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import Image, Origin, Subject
from curation.tables.operations import Event
from curation.verification.verify import verify_events
from curation.withdrawal.withdraw import withdraw
from curation.worklists.plant import plant_for_worklist
from tests.curation.reading_room import LATER, NOON


def planted(project: Project) -> list[int]:
    """The damaged images of a worklist that is not made yet."""
    recipe = WorklistRecipe(name="w", defect_controls=3)
    plant_for_worklist(project.database, project.store, project.chain, NOON, recipe, silent)
    with project.database.read() as session:
        return list(session.scalars(select(Image.id).where(Image.origin == Origin.ALTERED).order_by(Image.id)))


def faults(project: Project) -> list[str]:
    return [fault for fault in verify_events(project).faults if "altered image" in fault]


def test_a_damaged_image_that_is_changed_removed_or_added_is_named(study_room: Project) -> None:
    first, second, third = planted(study_room)
    assert faults(study_room) == []
    with study_room.database.write() as session:
        session.execute(update(Image).where(Image.id == first).values(alteration={"name": "noise", "seed": 1}))
        session.execute(text("DELETE FROM image_labels WHERE image_id = :id"), {"id": second})
        session.execute(delete(Image).where(Image.id == second))
        row = session.execute(select(Image.__table__).where(Image.id == third)).mappings().one()
        session.execute(insert(Image), [{**row, "id": third + 1}])
    assert faults(study_room) == [
        f"altered image {third + 1}: no event records it",
        f"altered image {first}: it was changed, its event records another content",
        f"altered image {second}: it is missing, an event records it",
    ]


def test_the_withdrawal_of_its_subject_is_no_fault(study_room: Project) -> None:
    first, *_ = planted(study_room)
    with study_room.database.read() as session:
        original = session.scalars(select(Image.altered_from_id).where(Image.id == first)).one()
        key = session.scalars(select(Subject.key).join(Image).where(Image.id == original)).one()
    withdraw(study_room, LATER, key, "")
    with study_room.database.read() as session:
        assert session.get_one(Image, first).withdrawn_at is not None
    assert faults(study_room) == []


def test_those_of_an_earlier_version_are_counted_as_not_covered(study_room: Project) -> None:
    images = planted(study_room)
    with study_room.database.write() as session:
        session.execute(delete(Event).where(Event.kind == ALTERED))
    assert faults(study_room) == []
    assert "altered images (3)" in verify_events(study_room).not_covered
    with study_room.database.write() as session:
        record_altered(session, study_room.chain, LATER, images[2:])
    assert "altered images (2)" in verify_events(study_room).not_covered
