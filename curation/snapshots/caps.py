"""Cap the images added to the real training images: per generator, by ratio, by balance.

A cap only removes. Caps are applied until none removes anything more, so all of them hold in the end.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping

from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool

# Extra images with their place in a round over the classes: the first of each class by hash, then the second, ...
_IN_TURN = """
SELECT id, ROW_NUMBER() OVER ({by} ORDER BY depth, label) AS place FROM (
    SELECT id, label, generator_id, ROW_NUMBER() OVER ({deep} ORDER BY position, copy, tie) AS depth
    FROM extra {where}
)
"""
_ALL = _IN_TURN.format(by="", deep="PARTITION BY label", where="")
_BY_GENERATOR = _IN_TURN.format(
    by="PARTITION BY generator_id", deep="PARTITION BY generator_id, label", where="WHERE generator_id IS NOT NULL"
)


def cap(pool: Pool, recipe: MixRecipe) -> None:
    """Cut `extra`, and for `balance=cap` the real images too, until every cap of the recipe holds."""
    n_real = pool.value("SELECT COUNT(*) FROM train")
    any_extra = bool(pool.value("SELECT EXISTS (SELECT 1 FROM extra)"))
    while _cut_generators(pool, recipe) + _cut_mix(pool, recipe, n_real):
        pass
    if any_extra and recipe.max_generator_share and not pool.value("SELECT EXISTS (SELECT 1 FROM extra)"):
        generators = pool.value("SELECT COUNT(DISTINCT generator_id) FROM images WHERE generator_id IS NOT NULL")
        pool.refuse(
            f"no synthetic image is left when none of {generators} generators may give more than"
            f" {recipe.max_generator_share:g} of them. Raise --max-generator-share, or draw from more generators."
        )


def _cut_generators(pool: Pool, recipe: MixRecipe) -> int:
    most = recipe.max_per_generator
    if recipe.max_generator_share is not None:
        counted = "SELECT generator_id, COUNT(*) FROM extra WHERE generator_id IS NOT NULL GROUP BY generator_id"
        most = largest_for_share(dict(pool.rows(counted)), recipe.max_generator_share, most)
    if most is None:
        return 0
    return pool.drop(
        f"DELETE FROM extra WHERE id IN (SELECT id FROM ({_BY_GENERATOR}) WHERE place > ?)",
        "synthetic: more of one generator than the recipe takes",
        most,
    )


def largest_for_share(counts: Mapping[int, int], share: float, at_most: int | None = None) -> int:
    """Find the most images per generator so that none gives more than `share` of all images given."""

    def holds(most: int) -> bool:
        capped = [min(count, most) for count in counts.values()]
        return max(capped, default=0) <= share * sum(capped) + 1e-9

    largest = max(counts.values(), default=0)
    # The largest giver's share grows with `most`, so the first that fails ends it.
    return _largest(holds, largest if at_most is None else min(largest, at_most))


def _largest(holds: Callable[[int], bool], at_most: int) -> int:
    """Find by bisection the largest number up to `at_most` that holds, where all smaller ones hold too."""
    return bisect_left(range(1, at_most + 1), True, key=lambda number: not holds(number))


def _cut_mix(pool: Pool, recipe: MixRecipe, n_real: int) -> int:
    if recipe.balance == "cap":
        return _balance(pool, recipe)
    if recipe.max_ratio is None:
        return 0
    return pool.drop(
        f"DELETE FROM extra WHERE id IN (SELECT id FROM ({_ALL}) WHERE place > ?)",
        "added images over the ratio",
        int(recipe.max_ratio * n_real),
    )


def _balance(pool: Pool, recipe: MixRecipe) -> int:
    """Cut all classes to one number of training images, real ones first, as many as images and ratio allow."""
    real = dict(pool.rows("SELECT label, COUNT(*) FROM train GROUP BY label"))
    extra = dict(pool.rows("SELECT label, COUNT(*) FROM extra GROUP BY label"))
    classes = sorted(recipe.classes or real.keys() | extra.keys())
    size = balanced_size([(real.get(label, 0), extra.get(label, 0)) for label in classes], recipe.max_ratio)
    if not size:
        if not any("balance" in str(refusal) for refusal in pool.refusals):
            counts = ", ".join(f"{label}: {real.get(label, 0)} real, {extra.get(label, 0)} added" for label in classes)
            pool.refuse(f"no balance of these training images: {counts}. Name fewer --class.")
        return 0
    cut = 0
    for label in classes:
        room = max(0, size - real.get(label, 0))
        cut += pool.drop(
            "DELETE FROM extra WHERE label = ? AND id NOT IN"
            " (SELECT id FROM extra WHERE label = ? ORDER BY position, copy, tie LIMIT ?)",
            "added images cut for balance", label, label, room,
        )  # fmt: skip
        cut += pool.drop(
            "DELETE FROM train WHERE label = ? AND id NOT IN"
            " (SELECT id FROM train WHERE label = ? ORDER BY position, tie LIMIT ?)",
            "real: cut for balance", label, label, size,
        )  # fmt: skip
    return cut


def balanced_size(counts: list[tuple[int, int]], max_ratio: float | None) -> int:
    """Find the largest size that every class of (real, added) can have within `max_ratio` added images per real one."""

    def holds(size: int) -> bool:
        added = sum(max(0, size - real) for real, _ in counts)
        return max_ratio is None or added <= max_ratio * sum(min(size, real) for real, _ in counts)

    # Added per real grows with the size: added is convex in it, real concave, both from 0.
    return _largest(holds, min((real + extra for real, extra in counts), default=0))
