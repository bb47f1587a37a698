"""A check in the table of fitted checks has its words on pages."""

from curation.check_names import CHECK_MEANS
from screening.checks.fitted import CHECKS


def test_every_check_says_what_it_means() -> None:
    assert set(CHECKS) <= set(CHECK_MEANS)
