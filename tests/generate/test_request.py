"""A request for images is validated, planned and hashed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import BadInput
from generate.request import GenerationRequest

counts = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(1, 20), min_size=1, max_size=5)


def request(**changes: object) -> GenerationRequest:
    return GenerationRequest.checked(**({"generator": "g", "counts": {"a": 2, "b": 1}, "seed": 7} | changes))


@given(counts, st.randoms())
def test_digest_and_plan_do_not_depend_on_the_order_of_the_counts(counts: dict[str, int], random) -> None:
    shuffled = list(counts.items())
    random.shuffle(shuffled)
    first, second = request(counts=counts), request(counts=dict(shuffled))
    assert first.digest() == second.digest()
    assert first.plan() == second.plan()


@given(counts)
def test_plan_holds_every_index_once_and_every_label_as_often_as_asked(counts: dict[str, int]) -> None:
    plan = request(counts=counts).plan()
    assert [index for index, _ in plan] == list(range(sum(counts.values())))
    labels = [label for _, label in plan]
    assert {label: labels.count(label) for label in counts} == counts


def test_digest_is_stable_across_releases() -> None:
    assert request().digest() == "b1cf783c5efeec197c9aa1e1a7904ccfbcf602717925d9d582ffe95090c9c83f"


@pytest.mark.parametrize(
    "change",
    [{"seed": 8}, {"counts": {"a": 3, "b": 1}}, {"sampler": "euler"}, {"guidance_scale": 3.0}, {"generator": "h"}],
)
def test_digest_changes_with_every_field(change: dict[str, object]) -> None:
    assert request(**change).digest() != request().digest()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"counts": {}}, "counts"),
        ({"counts": {"a": 0}}, "counts.a"),
        ({"seed": -1}, "seed"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"sampler": "ddpm"}, "sampler"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_request_that_does_not_hold_names_the_field(change: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        request(**change)
