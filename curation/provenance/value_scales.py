"""Compare what stored values stand for: on other scales or in other units, equal values differ."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

HOUNSFIELD, UNKNOWN_UNIT, ANOTHER_UNIT = "HU", "unknown", "other"
PET_UNITS = (  # of Units, PS3.3, C.8.9.1.1.3
    *("CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM", "UMOLML"),
    *("PROPCNTS", "PROPCPS", "MLMINML", "MLML", "GML", "STDDEV"),
)
_IN_WORDS = {
    HOUNSFIELD: "in HU",
    UNKNOWN_UNIT: "of an unknown unit",
    ANOTHER_UNIT: "of a type of its own",
    **{unit: f"of Units {unit}" for unit in PET_UNITS},
}
_SHOWN = 3


@dataclass(frozen=True, slots=True, order=True)
class ValueScale:
    """A stored value v of `bits` bits stands for v * slope + intercept, in a unit where the file is to state one."""

    bits: int
    slope: float
    intercept: float
    unit: str = ""

    @classmethod
    def of(cls, bits: int, slope: float, intercept: float, signed_offset: int, unit: str | None) -> Self:
        """Give the scale of an image from what its row holds."""
        return cls(bits, slope, intercept - signed_offset * slope, unit or "")

    def __str__(self) -> str:
        product = "stored" if self.slope == 1 else f"{self.slope:,.6g} x stored"
        sign = "-" if self.intercept < 0 else "+"
        return f"value = {product}" + (f" {sign} {abs(self.intercept):,.9g}" if self.intercept else "")


def without_units(counts: Mapping[ValueScale, int]) -> dict[ValueScale, int]:
    """Count images by their scale alone."""
    merged: Counter[ValueScale] = Counter()
    for scale, count in counts.items():
        merged[replace(scale, unit="")] += count
    return dict(merged)


def units_of(counts: Mapping[ValueScale, int]) -> Counter[str]:
    """Count images by their unit, those without one left out."""
    units: Counter[str] = Counter()
    for scale, count in counts.items():
        units[scale.unit] += count
    del units[""]
    return units


def describe_scales(counts: Mapping[ValueScale, int]) -> str:
    """Say how many images are on which scale, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    more = [f"{len(ordered) - _SHOWN} more scales"] if len(ordered) > _SHOWN else []
    return "; ".join([*(f"{count:,} with {scale}" for scale, count in ordered[:_SHOWN]), *more])


def describe_units(units: Counter[str]) -> str:
    """Say how many images are in which unit, the most frequent first."""
    return "; ".join(
        f"{count:,} {_IN_WORDS.get(unit, f'of RescaleType {unit}')}" for unit, count in units.most_common()
    )


def modalities_of(units: Iterable[str]) -> str:
    """Say which images have these units."""
    return "CT and PET" if set(units) & set(PET_UNITS) else "CT"


def explain_mix(counts: Mapping[ValueScale, int], what_settles: str) -> str | None:
    """Say that images are on several scales and what settles it; None where all are on one."""
    scales = without_units(counts)
    if len(scales) < 2:
        return None
    return (
        f"The stored values of these real images are on {len(scales)} scales: {describe_scales(scales)}. Equal values "
        f"are stored differently, so a model can tell the scales apart by brightness alone. {what_settles}"
    )


def explain_units(counts: Mapping[ValueScale, int]) -> str | None:
    """Say that CT or PET images are in several units; None where all are in one."""
    units = units_of(counts)
    if len(units) < 2:
        return None
    return (
        f"The {modalities_of(units)} images are in several units: {describe_units(units)}. Equal stored values do not "
        "mean the same, and a window or a model takes them as if they did. Import only files of one unit, or give the "
        "others their RescaleSlope, RescaleIntercept and RescaleType (of PET: Units)."
    )
