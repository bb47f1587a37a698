"""Fill in a reporting checklist with what the database knows; everything else is for the authors.

The wording of every item is ours; number and order are the checklist's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from curation.exports.markdown import markdown_table

FOR_AUTHORS = "*to be filled in by the authors*"


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item: its number in the checklist, the part it stands in, what it asks, in our words."""

    number: str
    part: str
    asks: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """A reporting guideline: where it was published, and its items."""

    title: str
    source: str
    items: tuple[ChecklistItem, ...]

    def page(self, answers: Mapping[str, str], head: str) -> str:
        """Write the checklist as a page; `answers` are by item number."""
        rows = [(item.number, item.part, item.asks, answers.get(item.number, FOR_AUTHORS)) for item in self.items]
        items = markdown_table(("item", "part", "asks for", "what the database knows"), rows)
        return (
            f"# {self.title}, prefilled\n\n{head}\n\n"
            f"{self.prefilled(answers)} of {len(self.items)} items start with facts from the database. They are a "
            "start and not an answer: the authors of a study complete and check every item. Items are worded by us; "
            f"the binding text is in {self.source}\n\n{items}"
        )

    def prefilled(self, answers: Mapping[str, str]) -> int:
        """Count the items that start with a fact."""
        return sum(item.number in answers for item in self.items)


def numbered(*parts: tuple[str, tuple[str, ...]]) -> tuple[ChecklistItem, ...]:
    """Number items from 1 through all parts, in the order of the checklist."""
    flat = [(part, asks) for part, items in parts for asks in items]
    return tuple(ChecklistItem(str(number), part, asks) for number, (part, asks) in enumerate(flat, 1))


def listed(*rows: tuple[str, str, str]) -> tuple[ChecklistItem, ...]:
    """Take items with the numbers that the checklist gives them, in its order."""
    return tuple(ChecklistItem(number, part, asks) for number, part, asks in rows)
