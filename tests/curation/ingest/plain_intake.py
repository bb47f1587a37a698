"""The rules of `curation.ingest.intake` over lists in memory, to compare the temporary file with.

A subject stands in one split, and a picture stands in one split: where either would stand in two, it is left out and
listed. Subjects without a split are drawn; those that share a picture exactly are drawn together.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from curation.ingest.arrival import NOTHING_SHOWN, Arrival
from curation.ingest.import_report import Duplicate, DuplicateKind
from curation.ingest.incoming import Rejected
from curation.ingest.splitting import draw_splits, order_in_stratum
from curation.tables.images import Split

_PRECEDENCE = {split: position for position, split in enumerate(Split)}  # of equal pictures, train's is kept


@dataclass(frozen=True, slots=True)
class Present:
    """What the project already holds of the source's subjects and pictures; equal pictures stand in one split."""

    subjects: Mapping[str, Split]
    pictures: Mapping[str, Mapping[str, Arrival]]  # by pixel digest, then by subject
    withdrawn: frozenset[str] = frozenset()  # keys of subjects, and pixel digests, that were withdrawn


@dataclass(slots=True)
class Intake:
    """What to add, each with its split, and what was left out."""

    accepted: list[Arrival] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    already: int = 0
    without_subject: int = 0  # of `already`: here under an unknown subject, while the source names one


def decide(arrivals: Sequence[Arrival], present: Present, seed: int) -> Intake:
    """Give every arrival its split, then leave out what would stand in two splits or is there already."""
    intake = Intake()
    source_splits = _splits_by_subject(arrivals)
    usable = []
    for arrival in arrivals:
        reason = _fault(arrival, source_splits[arrival.subject_key], present)
        if reason:
            intake.rejected.append(Rejected(arrival.source_file, reason))
        else:
            usable.append(arrival)
    splits = _settle_splits(usable, source_splits, present, seed)
    placed = [replace(arrival, split=splits[arrival.subject_key]) for arrival in usable]
    order = {arrival.source_file: position for position, arrival in enumerate(placed)}
    standing = defaultdict(dict, {digest: dict(pictures) for digest, pictures in present.pictures.items()})
    for arrival in sorted(placed, key=lambda arrival: _PRECEDENCE[_split(arrival)]):
        _admit(arrival, standing[arrival.pixel_sha256], intake)
    intake.accepted.sort(key=lambda arrival: order[arrival.source_file])
    return intake


def _splits_by_subject(arrivals: Sequence[Arrival]) -> dict[str, set[Split]]:
    source_splits: dict[str, set[Split]] = defaultdict(set)
    for arrival in arrivals:
        source_splits[arrival.subject_key].update({arrival.split} if arrival.split else ())
    return source_splits


def _fault(arrival: Arrival, source_splits: set[Split], present: Present) -> str | None:
    if arrival.subject_key in present.withdrawn or arrival.pixel_sha256 in present.withdrawn:
        return "withdrawn from this project: its subject, or a picture with the same pixels"
    if len(source_splits) > 1:
        return f"the source has its subject in {' and in '.join(sorted(source_splits))}: a subject belongs to one split"
    standing = present.subjects.get(arrival.subject_key)
    if standing and source_splits and standing not in source_splits:
        return f"its subject is in {standing} already, the source says {min(source_splits)}"
    return None


def _settle_splits(
    arrivals: Sequence[Arrival], source_splits: Mapping[str, set[Split]], present: Present, seed: int
) -> dict[str, Split]:
    """The split of each subject: the one it stands in, that of the source, that of an equal picture, or a drawn one."""
    fixed: dict[str, Split] = {}
    for arrival in arrivals:
        key = arrival.subject_key
        if key in present.subjects:
            fixed[key] = present.subjects[key]
        elif source_splits[key]:
            fixed[key] = min(source_splits[key])
    bound = _bind_by_picture(arrivals)
    pulled: dict[str, Split] = {}
    labels: dict[str, set[str]] = defaultdict(set)
    for arrival in arrivals:
        unit = bound[arrival.subject_key]
        labels[unit].update(arrival.shown or [NOTHING_SHOWN])
        standing = [_split(other) for other in islice(present.pictures.get(arrival.pixel_sha256, {}).values(), 1)]
        standing += [fixed[arrival.subject_key]] if arrival.subject_key in fixed else []
        if standing:
            pulled[unit] = min((*standing, pulled.get(unit, Split.RESERVE)), key=_PRECEDENCE.__getitem__)
    strata = {unit: ", ".join(sorted(names)) for unit, names in labels.items() if unit not in pulled}
    draws = dict(draw_splits(in_order(strata, seed)))
    return {key: fixed.get(key) or pulled.get(unit) or draws[unit] for key, unit in bound.items()}


def in_order(strata: Mapping[str, str], seed: int) -> list[tuple[str, str]]:
    """Units with their strata as `draw_splits` wants them."""
    sizes = Counter(strata.values())
    return sorted(strata.items(), key=lambda unit: (sizes[unit[1]], unit[1], order_in_stratum(seed, unit[0])))


def _bind_by_picture(arrivals: Sequence[Arrival]) -> dict[str, str]:
    """Join subjects that share a picture exactly (union-find): subject to the least key of its group."""
    parent = {arrival.subject_key: arrival.subject_key for arrival in arrivals}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    first: dict[str, str] = {}
    for arrival in arrivals:
        own_root, other_root = (
            root(arrival.subject_key),
            root(first.setdefault(arrival.pixel_sha256, arrival.subject_key)),
        )
        parent[max(own_root, other_root)] = min(own_root, other_root)
    return {key: root(key) for key in parent}


def _admit(arrival: Arrival, standing: dict[str, Arrival], intake: Intake) -> None:
    """Accept an arrival, count it as already here, or list it against the equal pictures standing, by subject."""
    if any(_is_it(arrival, other) for other in standing.values()):
        intake.already += 1
        intake.without_subject += arrival.subject_known and arrival.subject_key not in standing
        return
    if standing:
        other = standing.get(arrival.subject_key) or next(iter(standing.values()))
        kind = _kind(arrival, other)
        intake.duplicates.append(_duplicate(kind, arrival, other))
        if kind is not DuplicateKind.ACROSS_SUBJECTS:
            return
    standing[arrival.subject_key] = arrival
    intake.accepted.append(arrival)


def _is_it(arrival: Arrival, other: Arrival) -> bool:
    """Whether an equal picture of the project is this very one: nothing says that it shows another subject or thing."""
    if not other.in_project or arrival.labels != other.labels or arrival.split != other.split:
        return False
    return arrival.subject_key == other.subject_key or not (arrival.subject_known and other.subject_known)


def _kind(arrival: Arrival, other: Arrival) -> DuplicateKind:
    if arrival.split != other.split:
        return DuplicateKind.ACROSS_SPLITS
    if arrival.subject_key == other.subject_key:
        return DuplicateKind.SAME_SUBJECT
    return DuplicateKind.ACROSS_SUBJECTS


def _duplicate(kind: DuplicateKind, arrival: Arrival, other: Arrival) -> Duplicate:
    return Duplicate(
        kind=kind,
        source_file=arrival.source_file,
        split=_split(arrival),
        label=arrival.label,
        of_file=other.source_file,
        of_split=_split(other),
        of_label=other.label,
    )


def _split(arrival: Arrival) -> Split:
    assert arrival.split is not None
    return arrival.split
