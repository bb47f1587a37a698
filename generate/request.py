"""The request for a batch of images: frozen, hashed, saved with the batch. Torch-free."""

from typing import Annotated, Literal

from pydantic import Field

from curation.requests import FrozenRequest

Sampler = Literal["unipc", "dpmpp", "euler"]


class GenerationRequest(FrozenRequest):
    """One batch: the generator, how many images of each label, the seed and the sampler."""

    generator: Annotated[str, Field(min_length=1)]
    counts: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)] = 12
    guidance_scale: Annotated[float, Field(ge=0.0, le=20.0, allow_inf_nan=False)] = 2.0
    sampler: Sampler = "unipc"

    def plan(self) -> list[tuple[int, str]]:
        """List every (index, label); labels take turns in alphabetical order, so a preview shows them all."""
        left = {label: self.counts[label] for label in sorted(self.counts)}
        labels: list[str] = []
        while left:
            labels += left
            left = {label: count - 1 for label, count in left.items() if count > 1}
        return list(enumerate(labels))
