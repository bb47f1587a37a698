"""Weigh each training image: by its origin, by its class, and so that classes weigh the same."""

from curation.snapshots.mix import MixRecipe
from curation.snapshots.pool import Pool

Group = tuple[str, str]  # class, origin


def weigh(pool: Pool, recipe: MixRecipe) -> None:
    """Set the weights of the training rows in `chosen`; held-out rows weigh 1. An absent class is a refusal."""
    weights = recipe.weights
    query = """
    SELECT chosen.label, images.origin, COUNT(*) FROM chosen JOIN images ON images.id = chosen.image
    WHERE chosen.split = 'train' GROUP BY 1, 2 ORDER BY 1, 2
    """
    counts: dict[Group, int] = {(label, origin): count for label, origin, count in pool.rows(query)}
    unknown = sorted(set(weights.classes) - {label for label, _ in counts})
    if unknown:
        pool.refuse(f"weights for {', '.join(unknown)}, of which the mix has no training image. Name its classes.")
    for group, weight in group_weights(counts, recipe).items():
        if weight != 1.0:
            pool.execute(
                "UPDATE chosen SET weight = ? WHERE split = 'train' AND label = ?"
                " AND image IN (SELECT id FROM images WHERE origin = ?)",
                weight, *group,
            )  # fmt: skip


def group_weights(counts: dict[Group, int], recipe: MixRecipe) -> dict[Group, float]:
    """Compute the weight of an image by its class and origin; `counts` are their numbers."""
    weights = recipe.weights
    by_group = {
        (label, origin): float(weights.origins.get(origin, 1.0))  # type: ignore[call-overload]
        * weights.classes.get(label, 1.0)
        for label, origin in counts
    }
    if recipe.balance == "weights" and counts:
        totals: dict[str, float] = {}
        for group, count in counts.items():
            totals[group[0]] = totals.get(group[0], 0.0) + count * by_group[group]
        even = sum(totals.values()) / len(totals)
        by_group = {group: weight * even / totals[group[0]] for group, weight in by_group.items()}
    if weights.normalise and counts:
        mean = sum(counts[group] * weight for group, weight in by_group.items()) / sum(counts.values())
        by_group = {group: weight / mean for group, weight in by_group.items()}
    return by_group
