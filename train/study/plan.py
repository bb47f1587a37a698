"""The plan of a study, and the facts for its report that the study cannot know. Torch-free."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from curation.errors import BadInput
from curation.requests import FrozenRequest
from train.adaptation.config import AdaptationConfig

LATER = ("redraw", "smallest_effect", "least_per_class")  # at its default an entry is not saved, as in older plans
ARMS = ("real_only", "plus_raw", "plus_approved", "plus_random", "plus_duplicated_real")


class StudyPlan(FrozenRequest):
    """The same adaptation on several arms and seeds, with equal optimiser steps, compared on held-out real subjects."""

    name: str = Field(min_length=1)
    adaptation: AdaptationConfig = AdaptationConfig(steps=400)
    arms: tuple[str, ...] = ARMS
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = (0, 1, 2)
    reference: str = "real_only"
    primary: str | None = Field(
        default=None, description="the one arm the report's sentence is about; unset: plus_approved, else the first"
    )
    metric: Literal["auroc", "balanced_accuracy"] = "auroc"
    split: Literal["validation", "test"] = "test"
    n_bootstrap: int = Field(default=1000, ge=100)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    redraw: Literal["none", "halves"] = Field(
        default="none",
        description="what a replicate draws anew beside its order and first weights: nothing, or one half of each "
        "arm's training subjects and synthetic images",
    )
    smallest_effect: float | None = Field(default=None, gt=0, le=1, description="the smallest effect of interest")
    least_per_class: int = Field(default=20, ge=2, description="held-out subjects of each class that a claim needs")

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        return {
            name: value
            for name, value in values.items()
            if name not in LATER or value != type(self).model_fields[name].default
        }

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.adaptation.steps is None:
            raise BadInput(
                "expected adaptation.steps, got none. Set it: every arm takes equal optimiser steps, whatever its size."
            )
        if len(set(self.arms)) != len(self.arms) or len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise BadInput("expected arms and seeds without repeats, and at least one seed. Name each once.")
        if self.reference not in self.arms or len(self.arms) < 2:
            raise BadInput(f"expected {self.reference!r} and at least one other arm, got {', '.join(self.arms)}.")
        if self.primary == self.reference or self.primary_arm not in self.arms:
            raise BadInput(f"expected a primary arm among the others than {self.reference!r}, got {self.primary!r}.")
        if self.redraw == "halves" and (len(self.seeds) % 2 or self.seeds != tuple(range(len(self.seeds)))):
            raise BadInput(
                "expected an even number of replicates, counted from 0: two that follow each other are trained on the "
                f"two halves of a split. Got {', '.join(map(str, self.seeds))}."
            )
        return self

    @property
    def primary_arm(self) -> str:
        """The arm the report's sentence is about; fixed by the plan, not by the results."""
        others = [arm for arm in self.arms if arm != self.reference]
        return self.primary or ("plus_approved" if "plus_approved" in others else others[0])

    @property
    def rivals(self) -> tuple[str, ...]:
        """The arms beside the reference that a gain must beat: as many images, not curated or not new."""
        return tuple(arm for arm in ("plus_random", "plus_duplicated_real") if arm != self.primary_arm)

    def run_config(self, seed: int) -> AdaptationConfig:
        """The configuration of every arm's run with `seed`: every step is taken, none stops early."""
        return self.adaptation.model_copy(update={"seed": seed, "patience": None, "patience_epochs": None})


class ReportFacts(FrozenRequest):
    """Facts for a report that the study cannot know: who read the images, what command ran, when."""

    human_readings: int = Field(default=0, ge=0)
    proxy_readings: int = Field(default=0, ge=0)
    grid_readings: int = Field(default=0, ge=0, description="verdicts given for a whole page; no claim rests on them")
    readers: tuple[str, ...] = Field(default=(), description="readers as they may be named in a report")
    made_by: str = ""
    date: str = ""
