"""Files of sums merge in any order, and a file that is damaged or of another kind is refused."""

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import BadInput
from train.sums.files import write_tensors
from train.sums.site_file import FORMAT, SitePart, SiteSums
from train.sums.sums import Sums


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.sums").write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(BadInput, match="cannot be read"):
        SiteSums.read(tmp_path / "x.sums")
    write_tensors(tmp_path / "y.sums", {"gram": np.ones((3, 3)), "cross": np.ones((2, 1))}, {
        "format": FORMAT, "classes": ["a"], "backbone": {"digest": "d" * 64, "name": "n"}, "parts": [], "notices": [],
    })  # fmt: skip
    with pytest.raises(BadInput, match="finite numbers in double precision"):
        SiteSums.read(tmp_path / "y.sums")


@pytest.mark.parametrize(
    ("place", "what"), [("backbone", "the backbone"), ("identity", "part 1"), ("run", "the run of part 1")]
)
def test_a_file_with_a_digest_of_other_letters_is_refused(tmp_path: Path, place: str, what: str) -> None:
    digests = {name: "a" * 64 for name in ("backbone", "identity", "run")} | {place: "g" * 64}
    sums = Sums.of(np.eye(3), np.array([0, 1, 1]), np.ones(3), ("a", "b"))
    part = SitePart(digests["identity"], "r", digests["run"], 3, 3)
    SiteSums(sums, digests["backbone"], "n", (part,)).write(tmp_path / "x.sums")
    with pytest.raises(BadInput, match=f"expected the digest of {what}, 64 digits of 0-9 and a-f, got 'ggg"):
        SiteSums.read(tmp_path / "x.sums")


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)))
def test_the_order_in_which_files_are_merged_does_not_matter(order: list[int]) -> None:
    rng, sites = np.random.default_rng(0), []
    for site in range(4):
        sums = Sums.of(rng.normal(size=(9, 3)), rng.integers(0, 2, 9), np.ones(9), (("a", "b"), ("c", "a"))[site % 2])
        sites.append(SiteSums(sums, "d", "n", (SitePart(str(site), "r", "x", 9, 9),)))
    first, second = reduce(SiteSums.plus, sites), reduce(SiteSums.plus, [sites[place] for place in order])
    assert first.parts == second.parts
    assert first.sums.classes == second.sums.classes == ("a", "b", "c")
    np.testing.assert_allclose(second.sums.gram, first.sums.gram, rtol=1e-12, atol=1e-12)
    back = second.minus(sites[2])
    np.testing.assert_allclose((back.plus(sites[2])).sums.cross, first.sums.cross, rtol=1e-9, atol=1e-9)
