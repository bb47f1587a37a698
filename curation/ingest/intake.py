"""Decide what of a source enters the project: a pure function of what came and what is there.

A subject stands in one split, and a picture stands in one split: where either would stand in two, it is left out and
listed. Subjects without a split are drawn; those that share a picture exactly are drawn together.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from curation.ingest.import_report import Duplicate, DuplicateKind
from curation.ingest.incoming import NO_GEOMETRY, Geometry, Rejected
from curation.ingest.splitting import draw_splits
from curation.models.images import Split

Labels: TypeAlias = tuple[tuple[str, float], ...]  # name and 0, 1 or a probability, by name

NOTHING_SHOWN = "none of the labels"
_NOT_GIVEN: set[Split] = set()
_PRECEDENCE = {split: position for position, split in enumerate(Split)}  # of equal pictures, train's is kept


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored picture of the source, known here by its digests; `kept_as` is its file's name in the database."""

    source_file: str
    labels: Labels
    subject_key: str
    subject_known: bool
    split: Split | None
    pixel_sha256: str
    file_sha256: str
    shape: tuple[int, int, int]
    bits: int
    geometry: Geometry = NO_GEOMETRY
    masks: Mapping[str, str] = field(default_factory=dict)  # name -> file SHA-256
    covariates: Mapping[str, str | float] | None = None
    kept_as: str = ""
    burnt_in: str | None = None
    notes: tuple[str, ...] = ()
    in_project: bool = False

    @property
    def label(self) -> str:
        """What it is said to show: the labels of at least a half, in words."""
        return ", ".join(self.shown) or NOTHING_SHOWN

    @property
    def files(self) -> set[str]:
        """The digests of its files in the store: the picture and its masks."""
        return {self.file_sha256, *self.masks.values()}

    @property
    def shown(self) -> list[str]:
        """The labels of at least a half."""
        return [name for name, value in self.labels if value >= 0.5]


@dataclass(frozen=True, slots=True)
class Present:
    """What the project already holds of the source's subjects and pictures; equal pictures stand in one split."""

    subjects: Mapping[str, Split]
    pictures: Mapping[str, Mapping[str, Candidate]]  # by pixel digest, then by subject
    withdrawn: frozenset[str] = frozenset()  # keys of subjects, and pixel digests, that were withdrawn


@dataclass(slots=True)
class Intake:
    """What to add, each with its split, and what was left out."""

    accepted: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    already: int = 0
    without_subject: int = 0  # of `already`: here under an unknown subject, while the source names one


def decide(candidates: Sequence[Candidate], present: Present, seed: int) -> Intake:
    """Give every candidate its split, then leave out what would stand in two splits or is there already."""
    intake = Intake()
    given = _given_splits(candidates)
    usable = []
    for candidate in candidates:
        reason = _fault(candidate, given.get(candidate.subject_key, _NOT_GIVEN), present)
        if reason:
            intake.rejected.append(Rejected(candidate.source_file, reason))
        else:
            usable.append(candidate)
    splits = _settle_splits(usable, given, present, seed)
    for position, candidate in enumerate(usable):
        usable[position] = replace(candidate, split=splits[candidate.subject_key])
    del splits
    standing: dict[str, dict[str, Candidate]] = {digest: dict(found) for digest, found in present.pictures.items()}
    for digest in _repeated(usable):
        standing.setdefault(digest, {})
    admitted = bytearray(len(usable))
    for split in _PRECEDENCE:
        for position, candidate in enumerate(usable):
            if candidate.split is split:
                admitted[position] = _admit(candidate, standing.get(candidate.pixel_sha256), intake)
    intake.accepted = [candidate for candidate, enters in zip(usable, admitted, strict=True) if enters]
    return intake


def _repeated(candidates: Sequence[Candidate]) -> set[str]:
    """The pictures that come more than once; only those, and what the project holds, are held against each other."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for candidate in candidates:
        (repeated if candidate.pixel_sha256 in seen else seen).add(candidate.pixel_sha256)
    return repeated


def _given_splits(candidates: Sequence[Candidate]) -> dict[str, set[Split]]:
    given: dict[str, set[Split]] = defaultdict(set)
    for candidate in candidates:
        if candidate.split:
            given[candidate.subject_key].add(candidate.split)
    return given


def _fault(candidate: Candidate, given: set[Split], present: Present) -> str | None:
    if candidate.subject_key in present.withdrawn or candidate.pixel_sha256 in present.withdrawn:
        return "withdrawn from this project: the subject, or a picture exactly like it"
    if len(given) > 1:
        return f"its subject is given in {' and in '.join(sorted(given))}: a subject stands in one split"
    standing = present.subjects.get(candidate.subject_key)
    if standing and given and standing not in given:
        return f"its subject stands in {standing} already, the source says {min(given)}"
    return None


def _settle_splits(
    candidates: Sequence[Candidate], given: Mapping[str, set[Split]], present: Present, seed: int
) -> dict[str, Split]:
    """The split of each subject: the one it stands in, the given one, that of an equal picture, or a drawn one."""
    fixed: dict[str, Split] = {}
    for candidate in candidates:
        key = candidate.subject_key
        if key in present.subjects:
            fixed[key] = present.subjects[key]
        elif key in given:
            fixed[key] = min(given[key])
    bound = _bind_by_picture(candidates)
    pulled: dict[str, Split] = {}
    labels: dict[str, frozenset[str]] = {}
    alike: dict[frozenset[str], frozenset[str]] = {}  # one object for each set of labels, not one for each unit
    for candidate in candidates:
        unit = bound[candidate.subject_key]
        shown = frozenset(candidate.shown or [NOTHING_SHOWN]) | labels.get(unit, frozenset())
        labels[unit] = alike.setdefault(shown, shown)
        standing = [_split(other) for other in islice(present.pictures.get(candidate.pixel_sha256, {}).values(), 1)]
        standing += [fixed[candidate.subject_key]] if candidate.subject_key in fixed else []
        if standing:
            pulled[unit] = min((*standing, pulled.get(unit, Split.RESERVE)), key=_PRECEDENCE.__getitem__)
    named = {names: ", ".join(sorted(names)) for names in alike}
    strata = {unit: named[names] for unit, names in labels.items() if unit not in pulled}
    del labels
    drawn = draw_splits(strata, seed)
    return {key: fixed.get(key) or pulled.get(unit) or drawn[unit] for key, unit in bound.items()}


def _bind_by_picture(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Join subjects that share a picture exactly (union-find): subject to the least key of its group."""
    parent = {candidate.subject_key: candidate.subject_key for candidate in candidates}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    first: dict[str, str] = {}
    for candidate in candidates:
        mine, other = root(candidate.subject_key), root(first.setdefault(candidate.pixel_sha256, candidate.subject_key))
        parent[max(mine, other)] = min(mine, other)
    return {key: root(key) for key in parent}


def _admit(candidate: Candidate, standing: dict[str, Candidate] | None, intake: Intake) -> bool:
    """Whether it enters; else it is counted as already here, or listed against equal pictures standing, by subject.

    Without `standing` there is no other picture like it.
    """
    if standing is None:
        return True
    if any(_is_it(candidate, other) for other in standing.values()):
        intake.already += 1
        intake.without_subject += candidate.subject_known and candidate.subject_key not in standing
        return False
    if standing:
        other = standing.get(candidate.subject_key) or next(iter(standing.values()))
        kind = _kind(candidate, other)
        intake.duplicates.append(_duplicate(kind, candidate, other))
        if kind is not DuplicateKind.ACROSS_SUBJECTS:
            return False
    standing[candidate.subject_key] = candidate
    return True


def _is_it(candidate: Candidate, other: Candidate) -> bool:
    """Whether an equal picture of the project is this very one: nothing says that it shows another subject or thing."""
    if not other.in_project or candidate.labels != other.labels or candidate.split != other.split:
        return False
    return candidate.subject_key == other.subject_key or not (candidate.subject_known and other.subject_known)


def _kind(candidate: Candidate, other: Candidate) -> DuplicateKind:
    if candidate.split != other.split:
        return DuplicateKind.ACROSS_SPLITS
    if candidate.subject_key == other.subject_key:
        return DuplicateKind.SAME_SUBJECT
    return DuplicateKind.ACROSS_SUBJECTS


def _duplicate(kind: DuplicateKind, candidate: Candidate, other: Candidate) -> Duplicate:
    return Duplicate(
        kind=kind,
        source_file=candidate.source_file,
        split=_split(candidate),
        label=candidate.label,
        of_file=other.source_file,
        of_split=_split(other),
        of_label=other.label,
    )


def _split(candidate: Candidate) -> Split:
    assert candidate.split is not None
    return candidate.split
