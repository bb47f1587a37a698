"""Write the data-quality scorecard: seven dimensions with their measured figures.

The dimensions are those of Zamzmi, Subbaswamy, Sizikova, Margerrison, Delfino and Badano, "Scorecard for synthetic
medical data evaluation", Communications Engineering 4:130 (2025), doi 10.1038/s44172-025-00450-1. The figures are ours.
There is no total: a sum would hide the one figure that matters for a use.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

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
    """One figure: what it is, what it rests on, how it is computed; or why it is missing."""

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


Indicators: TypeAlias = dict[str, list[Indicator]]  # by dimension


def scorecard_json(indicators: Indicators, about: dict[str, Any]) -> dict[str, Any]:
    """Give the scorecard as JSON."""
    dimensions = {
        dimension: {
            "question": question,
            "measured": _count_measured(indicators[dimension]),
            "indicators": [_indicator_json(indicator) for indicator in indicators[dimension]],
        }
        for dimension, question in DIMENSIONS.items()
    }
    return {"format": "rounds-scorecard/1", "source": SOURCE, **about, "dimensions": dimensions}


def _indicator_json(indicator: Indicator) -> dict[str, Any]:
    return {name: getattr(indicator, name) for name in ("name", "value", "low", "high", "n", "formula", "note")}


def _count_measured(indicators: list[Indicator]) -> int:
    return sum(indicator.value is not None for indicator in indicators)


def scorecard_page(indicators: Indicators, head: str) -> str:
    """Write the scorecard as a page."""
    parts = [
        "# Data-quality scorecard",
        head,
        "Intervals are 95 %. Where none is given the figure counts all images, or its parts are not independent. "
        "A figure that nobody measured says so; no figure is a mark, and there is no total.",
    ]
    header = ("figure", "value", "n", "how it is computed", "note")
    for dimension, question in DIMENSIONS.items():
        rows = [(row.name, row.shown, row.n or "-", row.formula, row.note) for row in indicators[dimension]]
        parts += [f"## {dimension.capitalize()}", question, markdown_table(header, rows)]
    return "\n\n".join(part.strip() for part in [*parts, SOURCE]) + "\n"


def summary_table(indicators: Indicators) -> str:
    """Write one line per dimension: how many figures there are and how many were measured."""
    rows = [
        (dimension, question, f"{_count_measured(indicators[dimension])} of {len(indicators[dimension])}")
        for dimension, question in DIMENSIONS.items()
    ]
    return markdown_table(("dimension", "question", "figures measured"), rows)
