"""A reader's own order is a permutation of which any stretch can be computed alone."""

from hypothesis import given
from hypothesis import strategies as st

from curation.reading.order import ReadingOrder, order_of, share_of
from curation.reading.recipe import WorklistRecipe


@given(st.integers(1, 500), st.binary(min_size=1, max_size=20))
def test_every_place_is_met_once(size: int, key: bytes) -> None:
    assert sorted(ReadingOrder(size, key).places(0, size)) == list(range(size))


@given(st.integers(1, 500), st.integers(0, 600), st.integers(0, 100))
def test_a_stretch_is_the_same_alone_as_in_the_whole(size: int, start: int, count: int) -> None:
    order = ReadingOrder(size, b"key")
    assert order.places(start, count) == order.places(0, size)[start : start + count]


def test_a_large_worklist_costs_no_more_than_what_is_asked_of_it() -> None:
    places = ReadingOrder(1_000_000, b"key").places(999_990, 50)
    assert len(set(places)) == 10
    assert max(places) < 1_000_000


def test_readers_walk_a_random_worklist_each_their_own_way_and_any_other_upwards() -> None:
    random = WorklistRecipe(name="study", order="random", seed=3)
    upwards = WorklistRecipe(name="study", order="batch", seed=3)
    ways = [order_of(1, 40, random, reader).places(0, 40) for reader in (1, 2, 3)]
    assert len({tuple(way) for way in ways}) == 3
    assert order_of(1, 40, random, 1).places(0, 40) == ways[0]
    assert order_of(1, 40, upwards, 1).places(0, 40) == list(range(40))


def test_a_share_is_drawn_evenly_and_for_good() -> None:
    shares = [share_of(f"image {number}") for number in range(2_000)]
    assert shares == [share_of(f"image {number}") for number in range(2_000)]
    assert all(0 <= share < 1 for share in shares)
    assert 140 < sum(share < 0.1 for share in shares) < 260
