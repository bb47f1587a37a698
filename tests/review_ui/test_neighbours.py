"""The page of nearest real images says which copy check decided, and by what."""

from sqlalchemy import select

from curation.database import Database
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.reading import Worklist
from review_ui.figures.neighbours import neighbours_of
from tests.curation.reading_room import NOON, reading_room


def test_a_candidate_stands_with_the_copy_checks_that_flagged_or_blocked_it(database: Database) -> None:
    worklist_id, _ = reading_room(database, 2, 1)
    with database.write() as session:
        first = session.scalars(select(ScreenedImage).order_by(ScreenedImage.image_id)).first()
        assert first is not None
        blocked = first.image_id
        for name, verdict in (("near_copy", "pass"), ("near_copy_pixels", "block"), ("noise", "block")):
            key = {"screening_id": first.screening_id, "image_id": blocked, "name": name}
            threshold = "not below 0.0123 with fine detail"
            session.add(ScreeningCheck(**key, value=0.011, threshold=threshold, verdict=ScreeningVerdict(verdict)))
        session.get_one(Worklist, worklist_id).closed_at = NOON
    with database.read() as session:
        rows, _ = neighbours_of(session, worklist_id, 0, 20)
    checks = {row.image_id: row.copy_checks for row in rows}
    assert checks.pop(blocked) == [("near_copy_pixels", 0.011, "not below 0.0123 with fine detail")]
    assert list(checks.values()) == [[]]
