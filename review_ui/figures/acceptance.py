"""The share of candidates that readers accept: by class, batch, generator and setting."""

from collections.abc import Callable, Sequence

from review_ui.figures.proportions import Proportion, proportions_by
from review_ui.figures.readings import GivenReading

DIMENSIONS: dict[str, Callable[[GivenReading], str]] = {
    "class": lambda row: row.label,
    "batch": lambda row: f"batch {row.batch_id}",
    "generator": lambda row: row.generator,
    "guidance": lambda row: row.setting("guidance_scale"),
    "steps": lambda row: row.setting("num_inference_steps"),
    "sampler": lambda row: row.setting("sampler"),
}


def acceptance(rows: Sequence[GivenReading]) -> dict[str, list[Proportion]]:
    """Accepted of read, by each dimension; a setting that no request names is left out."""
    found = {
        name: proportions_by(rows, of, lambda row: row.is_accept, lambda row: row.image_id)
        for name, of in DIMENSIONS.items()
    }
    return {name: some for name, some in found.items() if {one.name for one in some} != {"unknown"}}
