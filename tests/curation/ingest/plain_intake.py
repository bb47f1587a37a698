"""The rules of `curation.ingest.intake` once more, over lists in memory: what its temporary file must agree with.

A subject stands in one split, and a picture stands in one split: where either would stand in two, it is left out and
listed. Subjects without a split are drawn; those that share a picture exactly are drawn together.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from curation.ingest.arrival import NOTHING_SHOWN, Candidate
from curation.ingest.import_report import Duplicate, DuplicateKind
from curation.ingest.incoming import Rejected
from curation.ingest.splitting import draw_splits, lot
from curation.tables.images import Split

_PRECEDENCE = {split: position for position, split in enumerate(Split)}  # of equal pictures, train's is kept


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
        reason = _fault(candidate, given[candidate.subject_key], present)
        if reason:
            intake.rejected.append(Rejected(candidate.source_file, reason))
        else:
            usable.append(candidate)
    splits = _settle_splits(usable, given, present, seed)
    placed = [replace(candidate, split=splits[candidate.subject_key]) for candidate in usable]
    order = {candidate.source_file: position for position, candidate in enumerate(placed)}
    standing = defaultdict(dict, {digest: dict(pictures) for digest, pictures in present.pictures.items()})
    for candidate in sorted(placed, key=lambda candidate: _PRECEDENCE[_split(candidate)]):
        _admit(candidate, standing[candidate.pixel_sha256], intake)
    intake.accepted.sort(key=lambda candidate: order[candidate.source_file])
    return intake


def _given_splits(candidates: Sequence[Candidate]) -> dict[str, set[Split]]:
    given: dict[str, set[Split]] = defaultdict(set)
    for candidate in candidates:
        given[candidate.subject_key].update({candidate.split} if candidate.split else ())
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
        elif given[key]:
            fixed[key] = min(given[key])
    bound = _bind_by_picture(candidates)
    pulled: dict[str, Split] = {}
    labels: dict[str, set[str]] = defaultdict(set)
    for candidate in candidates:
        unit = bound[candidate.subject_key]
        labels[unit].update(candidate.shown or [NOTHING_SHOWN])
        standing = [_split(other) for other in islice(present.pictures.get(candidate.pixel_sha256, {}).values(), 1)]
        standing += [fixed[candidate.subject_key]] if candidate.subject_key in fixed else []
        if standing:
            pulled[unit] = min((*standing, pulled.get(unit, Split.RESERVE)), key=_PRECEDENCE.__getitem__)
    strata = {unit: ", ".join(sorted(names)) for unit, names in labels.items() if unit not in pulled}
    drawn = dict(draw_splits(in_order(strata, seed)))
    return {key: fixed.get(key) or pulled.get(unit) or drawn[unit] for key, unit in bound.items()}


def in_order(strata: Mapping[str, str], seed: int) -> list[tuple[str, str]]:
    """Units with their strata as `draw_splits` wants them."""
    sizes = Counter(strata.values())
    return sorted(strata.items(), key=lambda unit: (sizes[unit[1]], unit[1], lot(seed, unit[0])))


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


def _admit(candidate: Candidate, standing: dict[str, Candidate], intake: Intake) -> None:
    """Accept a candidate, count it as already here, or list it against the equal pictures standing, by subject."""
    if any(_is_it(candidate, other) for other in standing.values()):
        intake.already += 1
        intake.without_subject += candidate.subject_known and candidate.subject_key not in standing
        return
    if standing:
        other = standing.get(candidate.subject_key) or next(iter(standing.values()))
        kind = _kind(candidate, other)
        intake.duplicates.append(_duplicate(kind, candidate, other))
        if kind is not DuplicateKind.ACROSS_SUBJECTS:
            return
    standing[candidate.subject_key] = candidate
    intake.accepted.append(candidate)


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
