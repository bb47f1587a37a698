"""Turn saved results of measurements into numbers by path that strangers may see."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy.orm import Session

from curation.check_names import measure_key
from curation.estimates import Estimate, proportion
from curation.exports.facts.tellable import subject_keys_among
from curation.withdrawal.affected_results import withdrawn_subjects_note

LONGEST_TEXT = 60
SEPARATOR = " / "
BETWEEN_NAMES = ", "
NAMING = ("scope", "name", "kind", "check", "defect", "transformation", "class")  # of an entry
COUNTED = ("caught", "count")

Numbers: TypeAlias = Mapping[str, float]
ValueWithInterval: TypeAlias = tuple[float, float | None, float | None]


@dataclass(frozen=True, slots=True)
class CountedImages:
    """Images of one kind, and how many of them the checks caught and blocked (None where that was not counted)."""

    name: str
    n: int
    caught: Estimate
    blocked: int | None


@dataclass(frozen=True, slots=True)
class SetMeasure:
    """One measure of a set in a backbone's features, what real images score in its place, and the difference."""

    key: str
    name: str
    scope: str
    n: int
    value: ValueWithInterval
    floor: ValueWithInterval | None
    excess: ValueWithInterval | None


@dataclass(frozen=True, slots=True)
class SavedMeasurement:
    """One saved measurement: of what, when, by what parameters, and every number in its result by its path."""

    kind: str
    digest: str
    at: datetime
    numbers: dict[str, float]
    snapshot: str | None = None  # the one it measured
    not_said: str | None = None  # why it could not say what was asked: error rates, or membership
    withdrawn_subjects: int = 0  # on how many that were withdrawn since it rests
    measures: tuple[SetMeasure, ...] = ()
    saw_public_web: bool = False  # the weights behind its features

    @property
    def affected(self) -> str | None:
        """Note the withdrawn subjects it rests on; None without any."""
        return withdrawn_subjects_note(self.withdrawn_subjects)

    def as_json(self) -> dict[str, Any]:
        """Give the form of `measures.json`."""
        names = ("kind", "digest", "at", "numbers", "snapshot", "not_said", "withdrawn_subjects")
        return {name: getattr(self, name) for name in names} | {"at": self.at.isoformat()}

    def estimates(self) -> dict[str, ValueWithInterval]:
        """Find values with their intervals, by path: what was saved as {value, low, high}."""
        end = f"{SEPARATOR}value"
        paths = [path.removesuffix(end) for path in self.numbers if path.endswith(end)]
        return {path: value for path in paths if (value := _estimate_at(self.numbers, path))}

    def membership_estimates(self) -> dict[str, ValueWithInterval]:
        """Find the estimates of the attempts to infer membership, by path."""
        estimates = self.estimates()
        return {path: value for path, value in estimates.items() if path.startswith(f"membership{SEPARATOR}")}

    def counted(self) -> list[CountedImages]:
        """List every kind of image that was counted: what was saved as {n, caught} or {n, count}, by class too."""
        rows = []
        for path in self.numbers:
            name, _, last = path.rpartition(SEPARATOR)
            n = self.numbers.get(f"{name}{SEPARATOR}n")
            if last in COUNTED and n is not None:
                blocked = self.numbers.get(f"{name}{SEPARATOR}blocked")
                caught = proportion(int(self.numbers[path]), int(n))
                rows.append(CountedImages(name, int(n), caught, None if blocked is None else int(blocked)))
        return rows


def set_measures(result: Mapping[str, Any], numbers: Numbers) -> Iterator[SetMeasure]:
    """Yield the measures of each scope of a saved result, as far as `numbers` tells them to strangers."""
    for number, scope in enumerate(result.get("scopes", ())):
        scope_name = _entry_name(scope) or str(number)
        for position, measure in enumerate(scope.get("measures", ())):
            name = _entry_name(measure) or str(position)
            path = SEPARATOR.join(("scopes", scope_name, "measures", name))
            sides = (f"{path}{SEPARATOR}{side}" for side in ("value", "floor", "excess"))
            value, floor, excess = (_estimate_at(numbers, side) for side in sides)
            if value:
                yield SetMeasure(measure_key(measure), name, scope_name, int(scope.get("n", 0)), value, floor, excess)


def _estimate_at(numbers: Numbers, path: str) -> ValueWithInterval | None:
    value, low, high = (numbers.get(f"{path}{SEPARATOR}{end}") for end in ("value", "low", "high"))
    return None if value is None else (value, low, high)


def tellable_numbers(session: Session, result: dict[str, Any]) -> dict[str, float]:
    """Collect every number of a saved result by its path, without those that stand under a subject's key."""
    numbers = dict(_numbers(result))
    keys = subject_keys_among(session, {word for path in numbers for word in _path_words(path)})
    return {path: value for path, value in numbers.items() if keys.isdisjoint(_path_words(path))}


def _path_words(path: str) -> list[str]:
    steps = path.split(SEPARATOR)
    return [*steps, *(word for step in steps for word in step.split(BETWEEN_NAMES))]


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number by its path. Texts and curves stay behind: a file or a key may be among texts."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield path, float(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, _join(path, str(key)))
    elif isinstance(value, list) and not all(isinstance(inner, int | float) for inner in value):
        for number, inner in enumerate(value):
            yield from _numbers(inner, _join(path, _entry_name(inner) or str(number)))


def _entry_name(value: Any) -> str | None:
    """Name an entry of a list by its own short words; levels of classes and modes count, those of covariates do not.

    A copy is named by its kind and how strong it is, a fault by its name alone, which says both.
    """
    if not isinstance(value, dict):
        return None
    words: list[Any]
    if "true" in value and "asked" in value:
        words = [f"{value['true']} asked for as {value['asked']}"]
    else:
        words = [value.get(key) for key in NAMING if not (key == "kind" and "name" in value)]
    if value.get("grouping") in ("mode", "class"):
        words.append(value.get("level"))
    names = [name for name in words if isinstance(name, str) and len(name) <= LONGEST_TEXT and "/" not in name]
    severity = value.get("severity")
    if isinstance(severity, str) or (names and isinstance(severity, int | float)):
        names.append(str(severity))
    return BETWEEN_NAMES.join(names) or None


def _join(path: str, key: str) -> str:
    return f"{path}{SEPARATOR}{key}" if path else key
