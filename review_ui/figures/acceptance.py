"""The share of candidates that readers accept: by class, batch, generator and setting."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from curation.estimates import Estimate, proportion_over_images
from review_ui.figures.readings import GivenReading

# Said wherever such a share stands: the overview and the page of results count the same readings.
DEFINITION = (
    "Share of first readings of candidates that say accept; unsure counts as not accepted. Hidden repeats, audits, "
    "adjudications and readers who withdrew are left out. Line: exact 95 % interval (Clopper-Pearson), reading by "
    "reading."
)
TURING_DEFINITION = (
    "Share of first readings of synthetic images that take them for real (4 to 6 of 6). Readers who withdrew are left "
    "out. Line: exact 95 % interval (Clopper-Pearson), reading by reading."
)

DIMENSIONS: dict[str, Callable[[GivenReading], str]] = {
    "class": lambda row: row.label,
    "batch": lambda row: f"batch {row.batch_id}",
    "generator": lambda row: row.generator,
    "guidance": lambda row: row.setting("guidance_scale"),
    "steps": lambda row: row.setting("num_inference_steps"),
    "sampler": lambda row: row.setting("sampler"),
}


def acceptance(rows: Sequence[GivenReading]) -> dict[str, dict[str, Estimate]]:
    """Accepted of read, by each dimension and its values; a setting that no request names is left out."""
    by_dimension = {dimension: _accepted_by(rows, value_of) for dimension, value_of in DIMENSIONS.items()}
    return {dimension: shares for dimension, shares in by_dimension.items() if set(shares) != {"unknown"}}


def _accepted_by(rows: Sequence[GivenReading], value_of: Callable[[GivenReading], str]) -> dict[str, Estimate]:
    groups: dict[str, list[GivenReading]] = defaultdict(list)
    for row in rows:
        groups[value_of(row)].append(row)
    return {
        value: proportion_over_images(group, lambda row: row.is_accept, lambda row: row.image_id)
        for value, group in sorted(groups.items())
    }
