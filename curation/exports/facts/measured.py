"""Saved results of measurements as numbers by their paths, fit for strangers, and what of them makes a table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from curation.estimates import Estimate, proportion
from curation.exports.facts.tellable import subject_keys_among
from curation.withdrawal.affected_results import rests_on

LONGEST_TEXT = 60
SEPARATOR = " / "
BETWEEN_NAMES = ", "
NAMING = ("scope", "name", "kind", "check", "defect", "transformation", "class")  # of an entry
COUNTED = ("caught", "count")
FEATURES_MEASURE = re.compile(rf"scopes{SEPARATOR}(?P<scope>.+?){SEPARATOR}measures{SEPARATOR}(?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Counted:
    """Of `n` images of one kind, how many the checks caught and blocked (None where that was not told apart)."""

    name: str
    n: int
    caught: Estimate
    blocked: int | None


@dataclass(frozen=True, slots=True)
class InFeatures:
    """One measure of a set in a backbone's features, what real images score in its place, and the difference."""

    name: str
    scope: str
    n: int
    value: tuple[float, float | None, float | None]
    floor: tuple[float, float | None, float | None] | None
    excess: tuple[float, float | None, float | None] | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One saved measurement: of what, when, by what parameters, and every number in its result by its path."""

    kind: str
    digest: str
    at: datetime
    numbers: dict[str, float]
    snapshot: str | None = None  # the one it measured
    not_said: str | None = None  # why it could not say what was asked: error rates, or membership
    withdrawn_subjects: int = 0  # on how many that were withdrawn since it rests

    @property
    def affected(self) -> str | None:
        """The words for that."""
        return rests_on(self.withdrawn_subjects)

    def estimates(self) -> dict[str, tuple[float, float | None, float | None]]:
        """Values with their intervals, by path: what was saved as {value, low, high}."""
        ends = (f"{SEPARATOR}value", f"{SEPARATOR}low", f"{SEPARATOR}high")
        paths = [path.removesuffix(ends[0]) for path in self.numbers if path.endswith(ends[0])]
        return {
            path: (self.numbers[path + ends[0]], self.numbers.get(path + ends[1]), self.numbers.get(path + ends[2]))
            for path in paths
        }

    def counted(self) -> list[Counted]:
        """Every kind of image that was counted: what was saved as {n, caught} or {n, count}, by class too."""
        rows = []
        for path in self.numbers:
            name, _, last = path.rpartition(SEPARATOR)
            n = self.numbers.get(f"{name}{SEPARATOR}n")
            if last in COUNTED and n is not None:
                blocked = self.numbers.get(f"{name}{SEPARATOR}blocked")
                caught = proportion(int(self.numbers[path]), int(n))
                rows.append(Counted(name, int(n), caught, None if blocked is None else int(blocked)))
        return rows

    def in_features(self) -> list[InFeatures]:
        """The measures of each scope, each with its floor: distances, precision, coverage and the like."""
        found = self.estimates()
        rows = []
        for path, value in found.items():
            place, _, last = path.rpartition(SEPARATOR)
            named = FEATURES_MEASURE.fullmatch(place)
            if last == "value" and named:
                n = int(self.numbers.get(f"scopes{SEPARATOR}{named['scope']}{SEPARATOR}n", 0))
                beside = [found.get(f"{place}{SEPARATOR}{other}") for other in ("floor", "excess")]
                rows.append(InFeatures(named["name"], named["scope"], n, value, *beside))
        return rows


def tellable_numbers(session: Session, result: dict[str, Any]) -> dict[str, float]:
    """Every number of a saved result by its path, without those that stand under a subject's key."""
    numbers = dict(_numbers(result))
    keys = subject_keys_among(session, {word for path in numbers for word in _words(path)})
    return {path: value for path, value in numbers.items() if keys.isdisjoint(_words(path))}


def _words(path: str) -> list[str]:
    steps = path.split(SEPARATOR)
    return [*steps, *(word for step in steps for word in step.split(BETWEEN_NAMES))]


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a saved result by its path. Texts and curves stay behind: a file or a key may be among texts."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield path, float(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, _join(path, str(key)))
    elif isinstance(value, list) and not all(isinstance(inner, int | float) for inner in value):
        for number, inner in enumerate(value):
            yield from _numbers(inner, _join(path, str(_named(inner) or number)))


def _named(value: Any) -> str | None:
    """What an entry of a list is called, where it says so in short words; levels of classes and modes, of no covariate.

    A copy is named by its kind and how strong it is, a fault by its name alone, which says both.
    """
    if not isinstance(value, dict):
        return None
    said: list[Any]
    if "true" in value and "asked" in value:
        said = [f"{value['true']} asked for as {value['asked']}"]
    else:
        said = [value.get(key) for key in NAMING if not (key == "kind" and "name" in value)]
    if value.get("grouping") in ("mode", "class"):
        said.append(value.get("level"))
    names = [name for name in said if isinstance(name, str) and len(name) <= LONGEST_TEXT and "/" not in name]
    severity = value.get("severity")
    if isinstance(severity, str) or (names and isinstance(severity, int | float)):
        names.append(str(severity))
    return BETWEEN_NAMES.join(names) or None


def _join(path: str, key: str) -> str:
    return f"{path}{SEPARATOR}{key}" if path else key
