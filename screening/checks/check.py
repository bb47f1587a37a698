"""What a check says of an image, and what it says when there was too little to set its threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SEVERITY = ("pass", "flag", "block")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one image: its value, the threshold it was held against (at most 100 characters), the verdict."""

    name: str
    value: float
    threshold: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Unset:
    """Stands where a threshold would, when there were too few real images: every image is flagged, none passes."""

    reason: str

    def verdict(self, value: float) -> str:
        """Never `pass`: nobody looked."""
        return "flag"

    def as_json(self) -> dict[str, Any]:
        """For the saved parameters of a screening."""
        return {"not_set": self.reason}

    def __str__(self) -> str:
        return f"not set: {self.reason}"


def worst(checks: Sequence[Check]) -> str:
    """The gravest verdict of an image's checks."""
    return max((check.verdict for check in checks), key=SEVERITY.index)
