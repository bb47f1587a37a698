"""Compare what stored values stand for: images on different scales store equal values differently."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_SHOWN = 3


@dataclass(frozen=True, slots=True, order=True)
class ValueScale:
    """A stored value v of `bits` bits stands for v * slope + intercept."""

    bits: int
    slope: float
    intercept: float

    @classmethod
    def of(cls, bits: int, slope: float, intercept: float, signed_offset: int) -> Self:
        """Give the scale of an image from what its row holds."""
        return cls(bits, slope, intercept - signed_offset * slope)

    def __str__(self) -> str:
        product = "stored" if self.slope == 1 else f"{self.slope:,.6g} x stored"
        sign = "-" if self.intercept < 0 else "+"
        return f"value = {product}" + (f" {sign} {abs(self.intercept):,.9g}" if self.intercept else "")


def describe_scales(counts: Mapping[ValueScale, int]) -> str:
    """Say how many images are on which scale, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    more = [f"{len(ordered) - _SHOWN} more scales"] if len(ordered) > _SHOWN else []
    return "; ".join([*(f"{count:,} with {scale}" for scale, count in ordered[:_SHOWN]), *more])


def explain_mix(counts: Mapping[ValueScale, int], what_settles: str) -> str | None:
    """Say that images are on several scales and what settles it; None where all are on one."""
    if len(counts) < 2:
        return None
    return (
        f"The stored values of these real images are on {len(counts)} scales: {describe_scales(counts)}. Equal values "
        f"are stored differently, so a model can tell the scales apart by brightness alone. {what_settles}"
    )
