"""The data-quality scorecard: seven dimensions, each with figures that somebody measured, or with why there are none.

The dimensions are those of Zamzmi, Subbaswamy, Sizikova, Margerrison, Delfino and Badano, "Scorecard for synthetic
medical data evaluation", Communications Engineering 4:130 (2025), doi 10.1038/s44172-025-00450-1. The figures are ours.
There is no total: a sum would hide the one figure that matters for a use.
"""

from dataclasses import dataclass
from typing import Any

from curation.exports.markdown import figure, table

SOURCE = (
    "Dimensions after Zamzmi et al., Scorecard for synthetic medical data evaluation, Communications Engineering 4:130 "
    "(2025), doi:10.1038/s44172-025-00450-1. The figures under them are this project's own choice."
)
DIMENSIONS = {
    "congruence": "Do the synthetic images resemble the real training images, as distributions?",
    "coverage": "Do they show as much of the variety of the real images?",
    "constraint": "Do they keep to what such an image can be: range of values, sharpness, anatomy?",
    "completeness": "Is everything there that a user needs to know of an image?",
    "compliance": "Are privacy, provenance and permission in order?",
    "comprehension": "Can people make out what an image shows, and what the dataset is?",
    "consistency": "Would readers, repeats and files say the same again?",
}


@dataclass(frozen=True, slots=True)
class Indicator:
    """One figure of one dimension: what it is, what it rests on, how it is computed; or why it was not measured."""

    dimension: str
    name: str
    value: float | None
    n: int
    formula: str
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def shown(self) -> str:
        """The value with its interval, or `not measured`."""
        return figure(self.value, self.low, self.high, "not measured")


def scorecard_json(indicators: list[Indicator], about: dict[str, Any]) -> dict[str, Any]:
    """The scorecard for machines."""
    return {
        "format": "rounds-scorecard/1",
        "source": SOURCE,
        **about,
        "dimensions": {
            dimension: {
                "question": question,
                "measured": sum(one.value is not None for one in _of(indicators, dimension)),
                "indicators": [_json(one) for one in _of(indicators, dimension)],
            }
            for dimension, question in DIMENSIONS.items()
        },
    }


def _json(one: Indicator) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "n": one.n,
        "formula": one.formula,
        "note": one.note,
    }


def scorecard_page(indicators: list[Indicator], head: str) -> str:
    """The scorecard for people."""
    parts = [
        "# Data-quality scorecard",
        head,
        "Intervals are 95 %. Where none is given the figure counts all images, or its parts are not independent. "
        "A figure that nobody measured says so; no figure is a mark, and there is no total.",
    ]
    for dimension, question in DIMENSIONS.items():
        rows = [(one.name, one.shown, one.n or "-", one.formula, one.note) for one in _of(indicators, dimension)]
        parts += [
            f"## {dimension.capitalize()}",
            question,
            table(("figure", "value", "n", "how it is computed", "note"), rows),
        ]
    return "\n\n".join(part.strip() for part in [*parts, SOURCE]) + "\n"


def summary_table(indicators: list[Indicator]) -> str:
    """One line per dimension: how many figures there are and how many were measured."""
    rows = [
        (dimension, question, f"{sum(one.value is not None for one in own)} of {len(own)}")
        for dimension, question in DIMENSIONS.items()
        for own in [_of(indicators, dimension)]
    ]
    return table(("dimension", "question", "figures measured"), rows)


def _of(indicators: list[Indicator], dimension: str) -> list[Indicator]:
    return [one for one in indicators if one.dimension == dimension]
