"""Vocabularies ship, or belong to a project; a name stands for the same reasons for ever."""

import pytest
from sqlalchemy import func, select

from curation.database import Database
from curation.errors import BadInput, Conflict, NotFound
from curation.reading.recipe import WorklistRecipe
from curation.tables.operations import Event
from curation.worklists.create import create_worklist
from curation.worklists.vocabulary import VOCABULARIES, Reason, list_vocabularies, load_vocabulary, save_vocabulary
from tests.curation.reading_room import CHAIN, NOON, add_screened

OURS = (Reason("1", "motion", "Motion"), Reason("3", "metal_2", "Metal artefact"))


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_shipped_vocabulary_has_one_digit_and_one_code_per_reason(database: Database, name: str) -> None:
    with database.read() as session:
        reasons = load_vocabulary(session, name)
    assert [reason["key"] for reason in reasons] == [str(number) for number in range(1, len(reasons) + 1)]
    assert len({reason["code"] for reason in reasons}) == len(reasons) <= 9
    assert "wrong_class" in {reason["code"] for reason in reasons}


def test_a_vocabulary_of_the_projects_own_is_used_and_listed_beside_the_shipped_ones(database: Database) -> None:
    with database.write() as session:
        save_vocabulary(session, CHAIN, NOON, "knee_mr", OURS)
        add_screened(session, 2)
        made = create_worklist(session, CHAIN, NOON, WorklistRecipe(name="w", vocabulary="knee_mr"))
        assert made.reasons == load_vocabulary(session, "knee_mr")
        assert [reason["code"] for reason in made.reasons] == ["motion", "metal_2"]
        listed = list_vocabularies(session)
    assert [row.name for row in listed] == [*VOCABULARIES, "knee_mr"]
    assert (listed[-1].source, listed[-1].reasons) == ("project", 2)


def test_saving_the_same_again_changes_nothing_and_other_reasons_need_another_name(database: Database) -> None:
    with database.write() as session:
        save_vocabulary(session, CHAIN, NOON, "knee_mr", OURS)
        save_vocabulary(session, CHAIN, NOON, "knee_mr", OURS)
        assert session.scalar(select(func.count()).select_from(Event)) == 1
        for taken in ("knee_mr", "general"):
            with pytest.raises(Conflict, match="other reasons"):
                save_vocabulary(session, CHAIN, NOON, taken, OURS[:1])


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        ((), "1 to 9 reasons"),
        (tuple(Reason(str(number), f"r{number}", "R") for number in range(1, 11)), "1 to 9 reasons"),
        ((Reason("0", "a", "A"),), "key from 1 to 9"),
        ((Reason("12", "a", "A"),), "key from 1 to 9"),
        ((Reason("1", "Anatomy", "A"),), "code of small letters"),
        ((Reason("1", "a b", "A"),), "code of small letters"),
        ((Reason("1", "a\n", "A"),), "code of small letters"),
        ((Reason("1", "a", ""),), "printable"),
        ((Reason("1", "a", "A" * 61),), "printable"),
        ((Reason("1", "a", "A\nB"),), "printable"),
        ((Reason("1", "a", "A"), Reason("1", "b", "B")), "key of its own"),
        ((Reason("1", "a", "A"), Reason("2", "a", "B")), "code of its own"),
    ],
)
def test_reasons_that_cannot_be_keys_or_codes_are_refused(
    database: Database, reasons: tuple[Reason, ...], message: str
) -> None:
    with database.write() as session, pytest.raises(BadInput, match=message):
        save_vocabulary(session, CHAIN, NOON, "ours", reasons)


def test_a_name_that_nobody_knows_and_a_name_that_cannot_be_one_are_refused(database: Database) -> None:
    with database.write() as session:
        with pytest.raises(NotFound, match="general"):
            load_vocabulary(session, "poetry")
        with pytest.raises(BadInput, match="name"):
            save_vocabulary(session, CHAIN, NOON, "two words", OURS)
