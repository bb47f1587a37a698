"""Saved JSON that leaves holds no path and no subject's key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.exports.facts.tellable import WITHHELD, make_tellable, without_paths
from curation.project import Project
from tests.worlds.exports import SUBJECT


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ("/home/ada/models/vit", "vit"),
        ("~/vit", "vit"),
        ("../models/vit/", "vit"),
        ("C:\\models\\vit", "vit"),
        ("group/model", "group/model"),
        ("virtual-brains-vit", "virtual-brains-vit"),
    ],
)
def test_of_a_path_the_last_part_is_told(saved: str, expected: str) -> None:
    assert without_paths({"backbone": [saved]}) == {"backbone": [expected]}


def test_a_subjects_key_is_withheld_wherever_it_stands(filled: Project) -> None:
    key = f"{SUBJECT}001"
    saved = {"worst": [key, "normal"], "by_subject": {key: 0.5}, "n": 3}
    with filled.database.read() as session:
        assert make_tellable(session, saved) == {"worst": [WITHHELD, "normal"], "by_subject": {}, "n": 3}


numbers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abcxyz_ -", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(numbers)
def test_whatever_holds_no_path_is_told_as_it_is(saved: object) -> None:
    assert without_paths(saved) == saved
