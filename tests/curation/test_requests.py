"""Requests are frozen, hashed, and refused with every entry at fault."""

import pytest
from pydantic import Field, ValidationError, model_validator

from curation.digests import digest_of
from curation.errors import BadInput
from curation.requests import FrozenRequest


class Exposure(FrozenRequest):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _is_ordered(self) -> "Exposure":
        if self.low > self.high:
            raise ValueError("expected low below high")
        return self


class ScanRequest(FrozenRequest):
    name: str = Field(min_length=1)
    count: int = Field(default=1, ge=1)
    exposure: Exposure = Exposure()


def test_a_request_cannot_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ScanRequest(name="a").count = 2  # type: ignore[misc]


def test_the_digest_is_that_of_the_canonical_json_whatever_the_order_of_the_entries() -> None:
    saved = ScanRequest(name="Ü", count=3)
    values = {"name": "Ü", "count": 3, "exposure": {"low": 0, "high": 1}}
    assert saved.digest() == digest_of(values)
    assert ScanRequest.parse('{"count": 3, "name": "\\u00dc"}').digest() == saved.digest()


def test_a_request_names_every_entry_at_fault_with_what_was_expected_and_got() -> None:
    with pytest.raises(BadInput) as fault:
        ScanRequest.checked(name="", count=0, exposure={"low": 3}, colour="red")
    assert str(fault.value) == (
        "the scan request cannot be used: name: String should have at least 1 character, got ''; "
        "count: Input should be greater than or equal to 1, got 0; "
        "exposure: expected low below high, got {'low': 3}; "
        "colour: Extra inputs are not permitted, got 'red'. Correct it and repeat."
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [('{"count": 2}', "name: Field required"), ('{"name": "a", "count": "b"}', "count: .*, got 'b'"), ("{", "JSON")],
)
def test_a_saved_request_that_does_not_fit_is_refused(text: str, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        ScanRequest.parse(text)


def test_a_request_saved_with_a_byte_order_mark_is_the_same_request() -> None:
    assert (
        ScanRequest.parse('\ufeff{"name": "a"}')
        == ScanRequest.parse(b'\xef\xbb\xbf{"name": "a"}')
        == ScanRequest(name="a")
    )


def test_an_entry_may_have_any_name() -> None:
    with pytest.raises(BadInput, match="cls: Extra inputs"):
        ScanRequest.checked(**{"name": "a", "cls": 1})
