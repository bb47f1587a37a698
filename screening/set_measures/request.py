"""The request of a measurement: frozen, saved beside its result and hashed with it. Torch-free."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from curation.requests import FrozenRequest

LEAST = 20  # images of each set: below it no measure is given
MOST = 4_000  # distances between all of them are held in memory: 128 MB a matrix

Chosen = Literal["raw", "approved", "rejected", "snapshot"]


class MeasureRequest(FrozenRequest):
    """Which synthetic images are held against the real training subjects, at which n, by which features.

    `raw` is all that was drawn in `batches` (or in every finished batch), `approved` and `rejected` are outcomes of
    `worklists` (or of all), `snapshot` the synthetic images of a snapshot.
    """

    images: Chosen = "approved"
    worklists: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    snapshot: str | None = None
    n: Annotated[int, Field(ge=LEAST, le=MOST)] | None = None
    resamples: Annotated[int, Field(ge=20, le=2_000)] = 200
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.images == "snapshot") != (self.snapshot is not None):
            raise ValueError("expected a snapshot's name with images=snapshot, and with no other")
        if self.batches and self.images == "snapshot":
            raise ValueError("expected batches with raw, approved or rejected images; a snapshot says which it holds")
        return self

    def name(self) -> str:
        """The set in a few words: `approved of first`, `raw of batch 2`, `snapshot mix`."""
        if self.snapshot is not None:
            return f"snapshot {self.snapshot}"
        places = [*self.worklists, *(f"batch {batch}" for batch in self.batches)]
        return f"{self.images} of {', '.join(places)}" if places else self.images
