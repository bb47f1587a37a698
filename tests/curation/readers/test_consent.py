"""Consent: asked for once for each text, taken back at any time, kept either way."""

import hashlib
import json
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.database import Database
from curation.errors import Conflict, NotAllowed
from curation.readers import consent as consents
from curation.readers.consent import (
    PURPOSE,
    RECORDED,
    Display,
    Experience,
    Steps,
    find_live_consent,
    has_withdrawn,
    record_consent,
    require_consent,
    withdraw_consent,
)
from curation.tables.operations import Event
from curation.tables.people import Consent, Reader, ReaderKind
from tests.curation.reading_room import CHAIN, NOON, add_person
from tests.rows import DISPLAY, EXPERIENCE

TEXTS = {"1": "24b0cdb8bad0c5ca84f657c9f3cefd13615f7afe63e9a34be36ac50baf53f431"}


def given(session: Session, reader_id: int, chain: Chain = CHAIN) -> Consent:
    """Agree with what the tests' readers say of themselves."""
    return record_consent(session, chain, NOON, reader_id, EXPERIENCE, DISPLAY)


def test_a_changed_text_needs_another_version() -> None:
    digest = hashlib.sha256(json.dumps([PURPOSE, RECORDED]).encode()).hexdigest()
    assert TEXTS[consents.CONSENT_VERSION] == digest, "change CONSENT_VERSION with the text, and add its digest here"


def test_a_person_needs_consent_and_a_proxy_none(database: Database) -> None:
    with database.write() as session:
        person, proxy = add_person(session, "ada"), add_person(session, "model", ReaderKind.PROXY)
        require_consent(session, proxy)
        with pytest.raises(NotAllowed, match="/rounds/welcome"):
            require_consent(session, person)
        given(session, person)
        require_consent(session, person)


def test_consent_keeps_what_was_said_and_the_chain_keeps_ids_only(database: Database) -> None:
    with database.write() as session:
        person = add_person(session, "ada")
        consent = given(session, person)
        kept = session.get_one(Consent, consent.id)
        assert Experience.model_validate(kept.experience) == EXPERIENCE
        assert Display.model_validate(kept.display) == DISPLAY
        events = session.scalars(select(Event).order_by(Event.sequence)).all()
        content = CHAIN.content(session, Consent, consent.id)
    assert [(event.kind, event.payload) for event in events] == [
        ("consent.given", {"reader": person, "consent": consent.id, "content": content})
    ]


def test_agreeing_twice_is_one_consent(database: Database) -> None:
    with database.write() as session:
        person = add_person(session, "ada")
        assert given(session, person).id == given(session, person).id
        assert len(session.scalars(select(Consent)).all()) == 1


def test_withdrawing_ends_consent_and_keeps_the_row(database: Database) -> None:
    with database.write() as session:
        person, other = add_person(session, "ada"), add_person(session, "ben")
        given(session, other)
        consent = given(session, person)
        withdraw_consent(session, CHAIN, NOON + timedelta(hours=1), person)
        assert find_live_consent(session, person) is None
        assert find_live_consent(session, other) is not None
        assert consent.withdrawn_at == NOON + timedelta(hours=1)
        with pytest.raises(NotAllowed):
            require_consent(session, person)
        with pytest.raises(Conflict, match="no consent"):
            withdraw_consent(session, CHAIN, NOON, person)


def test_only_who_withdrew_and_did_not_agree_again_leaves_the_statistics(database: Database) -> None:
    def withdrawn(session: Session) -> list[str]:
        return list(session.scalars(select(Reader.name).where(has_withdrawn(Reader.id))))

    with database.write() as session:
        person = add_person(session, "ada")
        add_person(session, "ben")
        assert withdrawn(session) == []
        given(session, person)
        withdraw_consent(session, CHAIN, NOON, person)
        assert withdrawn(session) == ["ada"]
        given(session, person)
        assert withdrawn(session) == []


def test_another_text_is_asked_for_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.write() as session:
        person = add_person(session, "ada")
        given(session, person)
        monkeypatch.setattr(consents, "CONSENT_VERSION", "another")
        with pytest.raises(NotAllowed):
            require_consent(session, person)
        given(session, person)
        require_consent(session, person)
        withdraw_consent(session, CHAIN, NOON, person)
        assert [row.withdrawn_at for row in session.scalars(select(Consent))] == [NOON, NOON]


@pytest.mark.parametrize(
    "fields", [{"profession": "wizard"}, {"years_reading": -1}, {"years_reading": 71}, {"specialty": "x" * 101}]
)
def test_experience_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Experience.model_validate({**EXPERIENCE.model_dump(), **fields})


def test_a_display_count_beyond_the_places_is_refused() -> None:
    with pytest.raises(ValidationError):
        Steps(shown=4, seen=7)
