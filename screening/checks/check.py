"""The result of a check, and what stands for a threshold that could not be set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SEVERITY = ("pass", "flag", "block")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one image: the value and the threshold (at most 100 characters) that decided, and the verdict."""

    name: str
    value: float
    threshold: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What the parameters of a screening keep, field by field."""

    def as_json(self) -> dict[str, Any]:
        """Return the form that the parameters of a screening keep."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Unset:
    """A threshold that could not be set for want of real images: every image is flagged, none passes."""

    reason: str

    def verdict(self, value: float) -> str:
        """Always `flag`, since nothing was compared."""
        return "flag"

    def as_json(self) -> dict[str, Any]:
        """Return the form that the parameters of a screening keep."""
        return {"not_set": self.reason}

    def __str__(self) -> str:
        return f"not set: {self.reason}"


def worst(checks: Sequence[Check]) -> str:
    """The gravest verdict of an image's checks."""
    return max((check.verdict for check in checks), key=SEVERITY.index)
