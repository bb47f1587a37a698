"""A share of what screening blocked is read as an audit; near copies never are."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import BadInput
from curation.reading.claims import claim
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading
from curation.tables.generation import ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.reading import Assignment, Outcome, Purpose, WorklistItem
from curation.worklists.choose import choose_audits
from curation.worklists.create import create_worklist
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened, verdict


def block(session: Session, image_ids: list[int], *names: str) -> None:
    """Let these checks block these images."""
    screening = session.scalars(select(Screening)).one()
    session.execute(
        update(ScreenedImage).where(ScreenedImage.image_id.in_(image_ids)).values(verdict=ScreeningVerdict.BLOCK)
    )
    session.add_all(
        ScreeningCheck(
            screening_id=screening.id, image_id=image, name=name, value=0, threshold="", verdict=ScreeningVerdict.BLOCK
        )
        for image in image_ids
        for name in names
    )
    session.flush()


def test_blocked_images_are_read_under_the_check_that_blocked_them(database: Database) -> None:
    with database.write() as session:
        images = add_screened(session, 20)
        block(session, images[:4], "noise", "sharpness")
        recipe = WorklistRecipe(name="w", gate_audit_share=0.5)
        worklist = create_worklist(session, CHAIN, NOON, recipe)
        audits = session.scalars(select(WorklistItem).where(WorklistItem.purpose == Purpose.GATE_AUDIT)).all()
        assert (worklist.size, worklist.controls) == (18, 0)
        assert {audit.image_id for audit in audits} < set(images[:4])
        assert [audit.truth for audit in audits] == ["noise", "noise"]


@pytest.mark.parametrize("check", ["near_copy", "near_copy_pixels"])
def test_a_near_copy_is_never_read_whatever_else_blocked_it(database: Database, check: str) -> None:
    with database.write() as session:
        images = add_screened(session, 10)
        block(session, images[:3], "noise", check)
        create_worklist(session, CHAIN, NOON, WorklistRecipe(name="w", gate_audit_share=1))
        assert not set(session.scalars(select(WorklistItem.image_id))) & set(images[:3])


def test_reading_an_audit_makes_no_outcome_and_asks_nobody_else(database: Database) -> None:
    with database.write() as session:
        images = add_screened(session, 6)
        block(session, images[:2], "noise")
        worklist = create_worklist(session, CHAIN, NOON, WorklistRecipe(name="w", gate_audit_share=1))
        reader = add_person(session, "r")
        held = claim(session, NOON, reader, worklist.id, 10)
        assert len(held) == 6
        for item in held:
            record_reading(session, CHAIN, NOON, reader, verdict(item.key))
        recompute_outcomes(session, worklist.id)
        assert not set(session.scalars(select(Outcome.image_id))) & set(images[:2])
        assert len(session.scalars(select(Assignment)).all()) == 6


def test_nothing_that_is_sent_tells_an_audit_from_a_candidate(database: Database) -> None:
    with database.write() as session:
        images = add_screened(session, 8)
        block(session, images[:4], "noise")
        worklist = create_worklist(session, CHAIN, NOON, WorklistRecipe(name="w", gate_audit_share=1))
        held = claim(session, NOON, add_person(session, "r"), worklist.id, 10)
    assert {(item.shape, item.bits, item.spacing, item.rescale) for item in held} == {((8, 8, 1), 8, None, (1.0, 0.0))}
    assert all(item.shown_label in ("a", "b") for item in held)


def test_a_turing_test_has_none(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        recipe = WorklistRecipe(name="w", kind="turing", real_controls=1, gate_audit_share=0.1)
        with pytest.raises(BadInput, match="audit"):
            create_worklist(session, CHAIN, NOON, recipe)


def test_a_larger_share_holds_the_smaller_one(database: Database) -> None:
    with database.write() as session:
        block(session, add_screened(session, 12)[:9], "noise")
        chosen = [
            {item.image_id for item in choose_audits(session, WorklistRecipe(name="w", seed=5, gate_audit_share=share))}
            for share in (0.01, 0.3, 0.6, 1)
        ]
    assert [len(audits) for audits in chosen] == [1, 3, 6, 9]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]
