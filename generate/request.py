"""What is asked of a generator, as data: frozen, hashed, saved beside the images it made. Torch-free."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation.errors import BadInput

Sampler = Literal["unipc", "dpmpp", "euler"]


class GenerationRequest(BaseModel):
    """One batch: which generator draws how many images of which label, from which seed and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: Annotated[str, Field(min_length=1)]
    counts: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)] = 12
    guidance_scale: Annotated[float, Field(ge=0.0, le=20.0, allow_inf_nan=False)] = 2.0
    sampler: Sampler = "unipc"

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build a request; raises BadInput naming each field that does not hold."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise BadInput(describe(error, "generation request")) from error

    def canonical_json(self) -> str:
        """The request as one line of JSON with sorted keys: equal requests give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """SHA-256 of the canonical JSON; the order of `counts` does not matter."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def plan(self) -> list[tuple[int, str]]:
        """Every (index, label) of the batch: labels take turns in alphabetical order, so a preview shows them all."""
        left = {label: self.counts[label] for label in sorted(self.counts)}
        labels: list[str] = []
        while left:
            labels += left
            left = {label: count - 1 for label, count in left.items() if count > 1}
        return list(enumerate(labels))


def describe(error: ValidationError, what: str) -> str:
    """One line per field: what was expected and what was got."""
    lines = [
        f"{'.'.join(str(part) for part in problem['loc']) or what}: {problem['msg']} (got {problem['input']!r})"
        for problem in error.errors(include_url=False)
    ]
    return f"the {what} does not hold; correct and repeat: " + "; ".join(lines)
