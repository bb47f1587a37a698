"""Blocked searches find what a plain search finds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import BadInput
from screening.features import neighbours
from screening.features.neighbours import nearest, nearest_of_two_groups


def vectors(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def cosine_distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    queries = queries / np.linalg.norm(queries, axis=-1, keepdims=True)
    references = references / np.linalg.norm(references, axis=-1, keepdims=True)
    return 1 - queries @ references.T


@pytest.mark.slow
@given(seed=st.integers(0, 1_000), queries=st.integers(1, 9), references=st.integers(3, 14), block=st.integers(1, 6))
def test_nearest_is_exact_whatever_the_block(seed: int, queries: int, references: int, block: int) -> None:
    queries, against = vectors(seed, queries, 5), vectors(seed + 1, references, 5)
    expected = np.sort(cosine_distances(queries, against), axis=1)[:, :3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK", block)
        result = nearest(queries, against, k=3)
    np.testing.assert_allclose(result.distances, expected, atol=1e-5)
    for row, positions in enumerate(result.positions):
        np.testing.assert_allclose(cosine_distances(queries, against)[row, positions], expected[row], atol=1e-5)


@pytest.mark.slow
@given(seed=st.integers(0, 1_000), references=st.integers(1, 14), groups=st.integers(1, 4), block=st.integers(1, 6))
def test_the_second_nearest_is_of_another_subject(seed: int, references: int, groups: int, block: int) -> None:
    queries, against = vectors(seed, 3, 4, 5), vectors(seed + 1, references, 5)  # 3 placements of 4 images
    groups_of = np.random.default_rng(seed).integers(0, groups, references)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK", block)
        result = nearest_of_two_groups(queries, against, groups_of)
    closest = np.stack([cosine_distances(placement, against) for placement in queries]).min(axis=0)
    for row in range(4):
        first = closest[row].argmin()
        others = closest[row][groups_of != groups_of[first]]
        assert result.positions[row, 0] == first
        assert result.distances[row, 0] == pytest.approx(closest[row, first], abs=1e-5)
        assert result.distances[row, 1] == pytest.approx(others.min() if len(others) else np.inf, abs=1e-5)


@given(seed=st.integers(0, 1_000), copies=st.integers(1, 4), k=st.integers(1, 5), block=st.integers(1, 6))
def test_equal_distances_come_in_the_order_of_their_positions(seed: int, copies: int, k: int, block: int) -> None:
    against = np.tile(np.eye(5, dtype=np.float32), (copies, 1))
    queries = np.eye(5, dtype=np.float32)[[seed % 5]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK", block)
        result = nearest(queries, against, k=k)
    expected = np.sort(cosine_distances(queries, against), axis=1)[:, :k]
    np.testing.assert_allclose(result.distances, expected, atol=1e-6)
    steps = list(zip(result.distances[0].tolist(), result.positions[0].tolist(), strict=True))
    assert steps == sorted(steps)
    assert len(set(result.positions[0].tolist())) == k


def test_a_mapped_file_gives_what_an_array_gives(tmp_path: Path) -> None:
    against, queries = vectors(0, 9_000, 6), vectors(1, 20, 6)
    (tmp_path / "vectors.f32").write_bytes(against.tobytes())
    mapped = np.memmap(tmp_path / "vectors.f32", np.float32, "r", shape=against.shape)
    subjects = np.arange(9_000) // 3
    for mapped_result, array_result in (
        (nearest(queries, mapped, 4), nearest(queries, against, 4)),
        (
            nearest_of_two_groups(queries[None], mapped, subjects),
            nearest_of_two_groups(queries[None], against, subjects),
        ),
    ):
        np.testing.assert_array_equal(mapped_result.positions, array_result.positions)
        np.testing.assert_array_equal(mapped_result.distances, array_result.distances)


def test_a_set_against_itself_leaves_the_image_itself_out() -> None:
    queries = np.eye(4, dtype=np.float32)
    queries[3] = queries[0]
    result = nearest(queries, queries, k=1, skip_self=True)
    assert result.positions[[0, 3], 0].tolist() == [3, 0]
    np.testing.assert_allclose(result.distances[:, 0], [0, 1, 1, 0], atol=1e-6)


def test_asking_for_more_neighbours_than_there_are_says_how_many_there_are() -> None:
    with pytest.raises(BadInput, match="at least 3 reference images, got 2"):
        nearest(vectors(0, 1, 5), vectors(1, 2, 5), k=3)
