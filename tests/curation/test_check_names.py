"""Measures of sets are known by key, also in results that were stored before they had one."""

import pytest

from curation.check_names import MEASURE_TITLES, measure_key


@pytest.mark.parametrize(("key", "title"), MEASURE_TITLES.items())
def test_a_stored_title_gives_the_key(key: str, title: str) -> None:
    assert measure_key({"name": title}) == key
    assert measure_key({"name": "another title", "key": key}) == key


def test_the_number_of_components_makes_no_other_measure() -> None:
    for components in (6, 32):
        assert measure_key({"name": f"Fréchet distance, {components} principal components"}) == "frechet_components"


def test_a_title_that_nobody_knows_is_its_own_key() -> None:
    assert measure_key({"name": "something new"}) == "something new"
