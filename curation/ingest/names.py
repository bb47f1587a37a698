"""Compare names that people and programs write differently: files, columns, classes.

Two names are one when they are equal after Unicode normalisation (NFC; Unicode standard, section 3.7), without marks
that nobody sees (spaces of no width, marks of direction, soft hyphens). A name also means another that differs from it
by case alone, where only one does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from curation.errors import BadInput
from curation.provenance.written_names import compose

SHOWN = 3  # names given as examples


def fold(name: str) -> str:
    """The name in composed form and without case."""
    return compose(compose(name).casefold())


class KnownNames:
    """Names that exist; finds those that a name written elsewhere means.

    With `endings`, names of files may be written without one of these.
    """

    def __init__(self, names: Iterable[str], endings: tuple[str, ...] = ()) -> None:
        self._names, self._endings = frozenset(names), endings

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        folded: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            folded[fold(name)].append(name)
        return folded

    @cached_property
    def _without_ending(self) -> dict[str, list[str]]:
        bare: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            folded = fold(name)
            if ending := next((ending for ending in self._endings if folded.endswith(ending)), None):
                bare[folded.removesuffix(ending)].append(name)
        return bare

    def fitting(self, name: str) -> list[str]:
        """The names that `name` means: itself, else those equal after NFC, else those that differ by case alone.

        A name without an ending that fits none of these means the files that have one.
        """
        if name in self._names:
            return [name]
        folded = fold(name)
        alike = self._folded.get(folded) or (self._without_ending.get(folded) if self._endings else None) or []
        composed = compose(name)
        return sorted([other for other in alike if compose(other) == composed] or alike)

    def find(self, name: str) -> str | None:
        """The only name that `name` means; None when there is none, or when several fit."""
        fitting = self.fitting(name)
        return fitting[0] if len(fitting) == 1 else None


def keep_nearest(meant: Mapping[str, str]) -> dict[str, str]:
    """Of written names that mean the same, keep the nearest: the equal one, else those that differ in fewest parts."""
    nearest: dict[str, tuple[int, int]] = {}
    for written, name in meant.items():
        distance = _distance(written, name)
        nearest[name] = min(distance, nearest.get(name, distance))
    return {written: name for written, name in meant.items() if _distance(written, name) == nearest[name]}


def _distance(written: str, name: str) -> tuple[int, int]:
    """How many parts of two paths differ by more than NFC, and how many at all."""
    if written == name:
        return 0, 0
    parts = list(zip(written.split("/"), name.split("/"), strict=False))
    return sum(compose(left) != compose(right) for left, right in parts), sum(left != right for left, right in parts)


class Unmatched(BadInput):
    """Names of a table or a pattern do not meet the files of the source.

    `nameless` is the message without names of files, which may be those of people: nothing else of it may be stored.
    """

    def __init__(self, message: str, nameless: str) -> None:
        super().__init__(message)
        self.nameless = nameless


def some_of(names: Iterable[str]) -> str:
    """The first few names, as examples in brackets."""
    listed = sorted(names)
    return f" ({', '.join(listed[:SHOWN])}{', ...' if len(listed) > SHOWN else ''})" if listed else ""
