"""Guessing is slowed down by address, for a while, and with bounded memory."""

from datetime import timedelta

import pytest

from review_ui.security.throttle import ADDRESSES, FAILURES, WINDOW, Throttle
from tests.review_ui.conftest import Browser, Clock
from tests.rows import NOW


def test_an_address_rests_after_its_failures_and_may_try_again_later() -> None:
    throttle = Throttle()
    for _ in range(FAILURES):
        assert not throttle.is_closed("10.0.0.1", NOW)
        throttle.failed("10.0.0.1", NOW)
    assert throttle.is_closed("10.0.0.1", NOW + WINDOW)
    assert not throttle.is_closed("10.0.0.2", NOW)
    assert not throttle.is_closed("10.0.0.1", NOW + WINDOW + timedelta(seconds=1))
    assert throttle.failures == {}


def test_many_addresses_do_not_fill_the_memory() -> None:
    throttle = Throttle()
    for number in range(ADDRESSES + 5):
        throttle.failed(str(number), NOW)
    assert len(throttle.failures) == ADDRESSES


@pytest.mark.slow
def test_the_right_password_does_not_help_an_address_that_rests(
    stranger: Browser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("review_ui.security.throttle.FAILURES", 2)
    for _ in range(2):
        assert stranger.sign_in("nobody", "x") == 401
    assert stranger.sign_in("ada") == 429
    clock.move(WINDOW + timedelta(seconds=1))
    assert stranger.sign_in("ada") == 200
