"""The report of an import: counts, files left out, duplicates, and pictures that may show text."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from curation.ingest.incoming import Rejected
from curation.tables.images import Split


class DuplicateKind(StrEnum):
    """Where the other picture with the same pixels is."""

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
        """Whether the two equal pictures have different labels."""
        return self.label != self.of_label


@dataclass(frozen=True, slots=True)
class Suspect:
    """An added picture that may show text that identifies somebody, and the reason to think so."""

    source_file: str
    why: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The report of one import.

    `repeated` is true when the same source was imported before, so that nothing was read again: `counts`, `subjects`
    and the lists are then those of that import.
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
    burnt_in: list[Suspect] = field(default_factory=list)

    def duplicates_of_kind(self, kind: DuplicateKind) -> list[Duplicate]:
        """The duplicates of one kind."""
        return [duplicate for duplicate in self.duplicates if duplicate.kind is kind]

    @property
    def left_out(self) -> int:
        """How many readable pictures were left out as duplicates."""
        return sum(duplicate.kind is not DuplicateKind.ACROSS_SUBJECTS for duplicate in self.duplicates)

    def reasons(self) -> list[str]:
        """Why files were left out and how many for each reason, the most frequent first; names no file."""
        return [f"{count} files: {reason}" for reason, count in Counter(r.reason for r in self.rejected).most_common()]

    def record(self) -> dict[str, Any]:
        """The report as JSON."""
        return asdict(self)

    def kept(self, name: Callable[[str], str]) -> "ImportReport":
        """The report as the database keeps it: file names through `name`, without the words of decoders."""
        return replace(
            self,
            rejected=[Rejected(name(rejected.source_file), rejected.reason) for rejected in self.rejected],
            duplicates=[
                replace(duplicate, source_file=name(duplicate.source_file), of_file=name(duplicate.of_file))
                for duplicate in self.duplicates
            ],
            burnt_in=[replace(suspect, source_file=name(suspect.source_file)) for suspect in self.burnt_in],
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any], *, repeated: bool) -> "ImportReport":
        """Read the report of an earlier import; as a repeat it has added nothing."""
        values = dict(record)
        values["rejected"] = [Rejected(**entry) for entry in values["rejected"]]
        values["duplicates"] = [_duplicate(entry) for entry in values["duplicates"]]
        values["burnt_in"] = [Suspect(**entry) for entry in values.get("burnt_in", [])]
        if repeated:
            values |= {"added": 0, "already": values["added"] + values["already"], "repeated": True}
        return cls(**values)


def _duplicate(entry: Mapping[str, Any]) -> Duplicate:
    enums = {"kind": DuplicateKind(entry["kind"])} | {key: Split(entry[key]) for key in ("split", "of_split")}
    return Duplicate(**{**entry, **enums})
