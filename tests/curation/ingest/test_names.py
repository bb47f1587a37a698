"""Names are compared exactly, then after NFC, then without case where only one fits."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from curation.ingest.names import KnownNames, fold, keep_nearest
from curation.provenance.written_names import compose

LETTERS = st.text(st.sampled_from("aAbBéÉßẞñÅ."), min_size=1, max_size=5)


@given(names=st.sets(LETTERS, max_size=8), written=LETTERS)
def test_a_name_that_is_there_means_itself_and_nothing_means_a_name_of_other_letters(
    names: set[str], written: str
) -> None:
    known = KnownNames(names)
    for name in names:
        assert known.find(name) == name
        assert compose(known.find(unicodedata.normalize("NFD", name)) or "") == compose(name)
    found = known.find(written)
    alike = [name for name in names if fold(name) == fold(written)]
    assert found is None or found in alike
    assert (found is not None) == (written in names or len(known.fitting(written)) == 1)


def test_marks_that_nobody_sees_do_not_count_and_joiners_that_shape_letters_do() -> None:
    assert KnownNames(["scan\u200b1.png"]).find("\ufeffscan1.png") == "scan\u200b1.png"
    assert compose("\u200ep\u00ad7\u2060") == "p7"
    assert compose("\u0646\u200c\u0627") != compose("\u0646\u0627")


@given(meant=st.dictionaries(LETTERS, LETTERS, max_size=6))
def test_of_names_that_mean_the_same_an_equal_one_is_kept_alone(meant: dict[str, str]) -> None:
    kept = keep_nearest(meant)
    assert set(kept.values()) == set(meant.values())
    for written, name in meant.items():
        if written == name:
            assert [other for other, means in kept.items() if means == name] == [written]
