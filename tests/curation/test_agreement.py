"""Agreement is that of people, on images that two of them have read."""

import numpy as np
import pytest

from curation.agreement import FEWEST_IMAGES, agreement, worklist_agreement
from curation.claims import claim, open_proxy_slots
from curation.database import Database
from curation.models.people import Reader, ReaderKind
from curation.models.reading import Verdict
from curation.readings import record_reading
from tests.curation.reading_room import CHAIN, NOON, add_person, reading_room, verdict


def test_alpha_is_that_of_its_formula() -> None:
    counts = np.array([[2, 0, 0]] * 12 + [[0, 2, 0]] * 8 + [[1, 1, 0]] * 5)
    n, accepts = counts.sum(), counts[:, 0].sum()
    observed = 5 * 2 / n
    expected = 2 * accepts * (n - accepts) / (n * (n - 1))
    found = agreement(counts)
    assert found.alpha == pytest.approx(1 - observed / expected)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.alpha < found.high
    assert agreement(counts) == found
    assert agreement(np.vstack([counts, [[1, 0, 0]] * 9])) == found


def test_agreement_beyond_chance_is_one_and_without_it_about_zero() -> None:
    assert agreement(np.array([[2, 0, 0], [0, 2, 0]] * FEWEST_IMAGES)).alpha == 1
    by_chance = np.random.default_rng(0).multinomial(2, [0.5, 0.3, 0.2], size=2_000)
    assert agreement(by_chance[:400]).alpha == pytest.approx(0, abs=0.1)


def test_too_few_images_or_verdicts_give_a_reason_instead_of_a_number() -> None:
    few = agreement(np.array([[2, 0, 0]] * (FEWEST_IMAGES - 1) + [[1, 0, 0]] * 50))
    assert (few.alpha, few.images) == (None, FEWEST_IMAGES - 1)
    assert "too few" in (few.reason or "")
    assert "not defined" in (agreement(np.array([[2, 0, 0]] * FEWEST_IMAGES)).reason or "")
    assert agreement(np.zeros((0, 3), dtype=np.int64)).images == 0


def test_proxies_are_not_people(database: Database) -> None:
    worklist, people = reading_room(database, images=FEWEST_IMAGES, readers=2, readers_per_image=2)
    with database.write() as session:
        proxy = session.get_one(Reader, add_person(session, "p", ReaderKind.PROXY))
        open_proxy_slots(session, proxy, worklist)
        for reader in (people[0], proxy.id):
            for item in claim(session, NOON, reader, worklist, FEWEST_IMAGES):
                said = Verdict.ACCEPT if item.position % 2 else Verdict.REJECT
                record_reading(session, CHAIN, NOON, reader, verdict(item.key, said=said))
        assert worklist_agreement(session, worklist).images == 0
        for item in claim(session, NOON, people[1], worklist, FEWEST_IMAGES):
            said = Verdict.ACCEPT if item.position % 2 else Verdict.REJECT
            record_reading(session, CHAIN, NOON, people[1], verdict(item.key, said=said))
        found = worklist_agreement(session, worklist)
    assert (found.images, found.alpha, found.low, found.high) == (FEWEST_IMAGES, 1, 1, 1)
