"""Write the data-quality scorecard: seven dimensions with their measured figures.

The dimensions are those of Zamzmi, Subbaswamy, Sizikova, Margerrison, Delfino and Badano, "Scorecard for synthetic
medical data evaluation", Communications Engineering 4:130 (2025), doi 10.1038/s44172-025-00450-1. The figures are ours.
There is no total: a sum would hide the one figure that matters for a use.
"""

from dataclasses import dataclass
from typing import Any

from curation.exports.markdown import figure_text, markdown_table

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
    """One figure of one dimension: what it is, what it rests on, how it is computed; or why it is missing."""

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
        """Write the value with its interval, or `not measured`."""
        return figure_text(self.value, self.low, self.high, "not measured")


def scorecard_json(indicators: list[Indicator], about: dict[str, Any]) -> dict[str, Any]:
    """Give the scorecard as JSON."""
    return {
        "format": "rounds-scorecard/1",
        "source": SOURCE,
        **about,
        "dimensions": {
            dimension: {
                "question": question,
                "measured": sum(indicator.value is not None for indicator in _of_dimension(indicators, dimension)),
                "indicators": [_indicator_json(indicator) for indicator in _of_dimension(indicators, dimension)],
            }
            for dimension, question in DIMENSIONS.items()
        },
    }


def _indicator_json(indicator: Indicator) -> dict[str, Any]:
    return {
        "name": indicator.name,
        "value": indicator.value,
        "low": indicator.low,
        "high": indicator.high,
        "n": indicator.n,
        "formula": indicator.formula,
        "note": indicator.note,
    }


def scorecard_page(indicators: list[Indicator], head: str) -> str:
    """Write the scorecard as a page."""
    parts = [
        "# Data-quality scorecard",
        head,
        "Intervals are 95 %. Where none is given the figure counts all images, or its parts are not independent. "
        "A figure that nobody measured says so; no figure is a mark, and there is no total.",
    ]
    for dimension, question in DIMENSIONS.items():
        rows = [
            (indicator.name, indicator.shown, indicator.n or "-", indicator.formula, indicator.note)
            for indicator in _of_dimension(indicators, dimension)
        ]
        parts += [
            f"## {dimension.capitalize()}",
            question,
            markdown_table(("figure", "value", "n", "how it is computed", "note"), rows),
        ]
    return "\n\n".join(part.strip() for part in [*parts, SOURCE]) + "\n"


def summary_table(indicators: list[Indicator]) -> str:
    """Write one line per dimension: how many figures there are and how many were measured."""
    rows = [
        (dimension, question, f"{sum(indicator.value is not None for indicator in group)} of {len(group)}")
        for dimension, question in DIMENSIONS.items()
        for group in [_of_dimension(indicators, dimension)]
    ]
    return markdown_table(("dimension", "question", "figures measured"), rows)


def _of_dimension(indicators: list[Indicator], dimension: str) -> list[Indicator]:
    return [indicator for indicator in indicators if indicator.dimension == dimension]
