"""What a source hands to the importer, and the report it gets back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.audit import digest_of
from curation.errors import BadInput
from curation.image_store import Pixels
from curation.models.images import Split

Progress: TypeAlias = Callable[[int, int, str | None], None]

SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
    "reserve": Split.RESERVE,
}


def split_named(name: str) -> Split:
    """The split that a folder or a table calls `name`; raises BadInput."""
    try:
        return SPLIT_NAMES[name.strip().lower()]
    except KeyError:
        raise BadInput(f"expected a split of train, validation, test or reserve, got {name!r}") from None


@dataclass(frozen=True, slots=True)
class IncomingImage:
    """One readable picture of a source. Without `subject_key` it is its own subject; without `split` one is drawn."""

    source_file: str
    pixels: Pixels  # (H, W, C)
    label: str
    subject_key: str | None = None
    split: Split | None = None
    spacing_mm: tuple[float, float] | None = None  # (row, column)
    masks: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)  # name -> (H, W) 0 background, 1 structure


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was left out, and why."""

    source_file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of pictures with a digest over its content and over the options that decide how it is read.

    `already` counts pictures that the source knows to be in the project and does not produce again.
    """

    name: str
    content_digest: str
    items: Iterable[IncomingImage | Rejected]
    total: int
    options: Mapping[str, Any] = field(default_factory=dict)
    notice: str | None = None
    already: int = 0

    def digest(self, seed: int) -> str:
        """The digest that makes a second import of the same thing a repeat."""
        return digest_of({"content": self.content_digest, "options": dict(self.options), "seed": seed})


class DuplicateKind(StrEnum):
    """Where the other picture with exactly these pixels stands."""

    ACROSS_SPLITS = "across splits"
    SAME_SUBJECT = "same subject"
    ACROSS_SUBJECTS = "across subjects"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A picture whose pixels equal another's. Only those across subjects of one split are kept."""

    kind: DuplicateKind
    source_file: str
    split: Split
    label: str
    of_file: str
    of_split: Split
    of_label: str

    @property
    def labels_differ(self) -> bool:
        """Whether the same picture is said to show two things."""
        return self.label != self.of_label


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    `repeated` when the same source was imported before and nothing was read again: `counts`, `subjects` and the lists
    are then those of that import.
    """

    source: str
    source_digest: str
    added: int
    already: int
    subjects_known: bool
    notice: str | None
    rejected: list[Rejected]
    duplicates: list[Duplicate]
    counts: dict[str, dict[str, int]]  # split -> label -> images added
    subjects: dict[str, int]  # split -> subjects of the images added
    options: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    repeated: bool = False

    def found(self, kind: DuplicateKind) -> list[Duplicate]:
        """The duplicates of one kind."""
        return [duplicate for duplicate in self.duplicates if duplicate.kind is kind]

    @property
    def left_out(self) -> int:
        """How many readable pictures were left out as duplicates."""
        return sum(duplicate.kind is not DuplicateKind.ACROSS_SUBJECTS for duplicate in self.duplicates)

    def record(self) -> dict[str, Any]:
        """The report as JSON, kept with the import."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], *, repeated: bool) -> "ImportReport":
        """The report of an earlier import, read again; as a repeat it has added nothing."""
        values = dict(record)
        values["rejected"] = [Rejected(**entry) for entry in values["rejected"]]
        values["duplicates"] = [_duplicate(entry) for entry in values["duplicates"]]
        if repeated:
            values |= {"added": 0, "already": values["added"] + values["already"], "repeated": True}
        return cls(**values)


def _duplicate(entry: Mapping[str, Any]) -> Duplicate:
    enums = {"kind": DuplicateKind(entry["kind"])} | {key: Split(entry[key]) for key in ("split", "of_split")}
    return Duplicate(**{**entry, **enums})
