"""Outcomes are a pure function of the readings that stand."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from curation.database import Database
from curation.errors import NotFound
from curation.reading.claims import claim
from curation.reading.outcome_rule import Decision, OutcomeRule, StandingReading, decide
from curation.reading.outcomes import recompute_outcomes
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.record import record_reading, void_reading
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Outcome, OutcomeVerdict, Verdict
from tests.curation.reading_room import CHAIN, NOON, add_person, reading_room, verdict
from tests.operation_ids import new_op_id

ACCEPT, REJECT, UNSURE = Verdict.ACCEPT, Verdict.REJECT, Verdict.UNSURE
RULES = st.sampled_from(
    [OutcomeRule("single", 1), OutcomeRule("majority", 2), OutcomeRule("majority", 3), OutcomeRule("unanimous", 2)]
)
READINGS = st.lists(
    st.builds(
        StandingReading,
        id=st.integers(1, 10_000),
        verdict=st.sampled_from(Verdict),
        label=st.sampled_from([None, "a", "b"]),
        is_proxy=st.booleans(),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda reading: reading.id,
)


def people(*verdicts: Verdict, label: str | None = None) -> list[StandingReading]:
    return [StandingReading(number, answer, label, is_proxy=False) for number, answer in enumerate(verdicts, 1)]


@pytest.mark.slow
@given(READINGS, RULES, st.randoms(use_true_random=False))
def test_the_order_of_readings_does_not_matter(readings: list[StandingReading], rule: OutcomeRule, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(readings, len(readings))
    assert decide(shuffled, rule) == decide(readings, rule)


@given(READINGS, RULES)
def test_an_accept_that_becomes_unsure_never_approves(readings: list[StandingReading], rule: OutcomeRule) -> None:
    if decide(readings, rule).verdict is OutcomeVerdict.APPROVED:
        return
    for place, reading in enumerate(readings):
        if reading.verdict is ACCEPT:
            doubted = [*readings]
            doubted[place] = StandingReading(reading.id, UNSURE, reading.label, reading.is_proxy)
            # Doubt may settle a quarrel over the class, never carry an image that was one accept short.
            accepted_classes = {reading.label for reading in readings if reading.verdict is ACCEPT}
            assert len(accepted_classes) > 1 or decide(doubted, rule).verdict is not OutcomeVerdict.APPROVED


@given(READINGS, RULES)
def test_proxies_decide_only_where_no_person_has_read(readings: list[StandingReading], rule: OutcomeRule) -> None:
    by_people = [reading for reading in readings if not reading.is_proxy]
    decision = decide(readings, rule)
    assert decision.proxy_only == (not by_people)
    if by_people:
        assert decision == decide(by_people, rule)


@pytest.mark.parametrize(
    ("kind", "readers", "verdicts", "expected"),
    [
        ("single", 1, (ACCEPT,), "approved"),
        ("single", 1, (REJECT,), "rejected"),
        ("single", 1, (UNSURE,), "unresolved"),
        ("majority", 2, (ACCEPT,), "unresolved"),
        ("majority", 2, (ACCEPT, ACCEPT), "approved"),
        ("majority", 2, (ACCEPT, UNSURE), "unresolved"),
        ("majority", 2, (ACCEPT, REJECT), "unresolved"),
        ("majority", 3, (ACCEPT, ACCEPT, UNSURE), "approved"),
        ("majority", 3, (ACCEPT, UNSURE, UNSURE), "unresolved"),
        ("majority", 3, (REJECT, REJECT, ACCEPT), "rejected"),
        ("unanimous", 3, (ACCEPT, ACCEPT), "unresolved"),
        ("unanimous", 3, (ACCEPT, ACCEPT, ACCEPT), "approved"),
        ("unanimous", 3, (ACCEPT, ACCEPT, UNSURE), "unresolved"),
        ("unanimous", 3, (REJECT,), "rejected"),
    ],
)
def test_verdicts_add_up_as_the_rule_says(
    kind: str, readers: int, verdicts: tuple[Verdict, ...], expected: str
) -> None:
    rule = OutcomeRule(kind, readers)  # type: ignore[arg-type]
    decisions = {decide(list(order), rule) for order in permutations(people(*verdicts))}
    assert {decision.verdict.value for decision in decisions} == {expected}


def test_readers_who_accept_as_different_classes_settle_nothing() -> None:
    readings = [*people(ACCEPT, ACCEPT, label="a"), StandingReading(3, ACCEPT, "b", is_proxy=False)]
    assert decide(readings, OutcomeRule("majority", 3)).verdict is OutcomeVerdict.UNRESOLVED
    assert decide(readings[:2], OutcomeRule("majority", 2)).label == "a"


def test_an_outcome_rests_on_the_readings_that_were_counted() -> None:
    readings = [StandingReading(7, ACCEPT, None, is_proxy=True), StandingReading(3, REJECT, None, is_proxy=False)]
    assert decide(readings, OutcomeRule("single", 1)) == Decision(OutcomeVerdict.REJECTED, None, (3,), proxy_only=False)


def outcomes_of(database: Database, worklist: int) -> list[tuple[int, str, str | None, tuple[int, ...], bool]]:
    with database.write() as session:
        recompute_outcomes(session, worklist)
        rows = session.scalars(select(Outcome).order_by(Outcome.image_id))
        return [(row.image_id, row.verdict.value, row.label, tuple(row.reading_ids), row.proxy_only) for row in rows]


def test_readings_become_outcomes_and_a_voided_one_does_not_count(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=4, readers=1)
    op_ids = [new_op_id() for _ in range(4)]
    with database.write() as session:
        held = claim(session, NOON, reader, worklist, 4)
        for item, op_id, answer in zip(held, op_ids, (ACCEPT, ACCEPT, REJECT, UNSURE), strict=True):
            request = verdict(item.key, op_id=op_id, answer=answer, corrected_label=item.shown_label)
            record_reading(session, CHAIN, NOON, reader, request)
    first = outcomes_of(database, worklist)
    assert sorted(row[1] for row in first) == ["approved", "approved", "rejected", "unresolved"]
    assert {row[2] for row in first} == {None}  # the class that was asked for is no correction
    assert outcomes_of(database, worklist) == first
    with database.write() as session:
        void_reading(session, CHAIN, NOON, reader, new_op_id(), op_ids[0])
    assert sorted(row[1] for row in outcomes_of(database, worklist)) == ["approved", "rejected", "unresolved"]
    with database.write() as session:
        request = verdict(held[0].key, answer=ACCEPT, corrected_label="b" if held[0].shown_label == "a" else "a")
        record_reading(session, CHAIN, NOON, reader, request)
    assert sorted(row[2] or "" for row in outcomes_of(database, worklist))[-1] in ("a", "b")


def test_what_only_a_proxy_read_is_marked_until_a_person_reads_it(database: Database) -> None:
    worklist, (person,) = reading_room(database, images=6, readers=1)
    with database.write() as session:
        proxy = session.get_one(Reader, add_person(session, "p", ReaderKind.PROXY))
        open_proxy_slots(session, proxy, worklist)
        for item in claim(session, NOON, proxy.id, worklist, 6):
            record_reading(session, CHAIN, NOON, proxy.id, verdict(item.key))
    assert [row[4] for row in outcomes_of(database, worklist)] == [True] * 6
    with database.write() as session:
        for item in claim(session, NOON, person, worklist, 2):
            record_reading(session, CHAIN, NOON, person, verdict(item.key, answer=REJECT))
    rows = outcomes_of(database, worklist)
    assert sorted((row[1], row[4]) for row in rows) == [("approved", True)] * 4 + [("rejected", False)] * 2


def test_a_worklist_nobody_read_has_no_outcomes(database: Database) -> None:
    worklist, _ = reading_room(database, images=2, readers=1)
    assert outcomes_of(database, worklist) == []
    with pytest.raises(NotFound), database.write() as session:
        recompute_outcomes(session, 404)
