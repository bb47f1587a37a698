"""Decide which arrivals enter the project.

A subject stands in one split, and a picture stands in one split: where either would stand in two, it is left out and
listed. Subjects without a split are drawn; those that share a picture exactly are drawn together.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from curation.ingest.arrival import Arrival
from curation.ingest.import_report import Duplicate, DuplicateKind
from curation.ingest.incoming import Rejected
from curation.ingest.splitting import draw_splits, order_in_stratum
from curation.ingest.staging import Staging
from curation.tables.images import Split

_PRECEDENCE = {split: position for position, split in enumerate(Split)}  # of equal pictures, train's is kept


@dataclass(slots=True)
class Intake:
    """What was left out and why; `staging.accepted()` has what enters."""

    rejected: list[Rejected] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    already: int = 0
    without_subject: int = 0  # of `already`: here under an unknown subject, while the source names one


def decide(staging: Staging, seed: int, find_alike: Callable[[], Iterable[tuple[str, str]]] = tuple) -> Intake:
    """Give every arrival a split, then leave out what would be in two splits or is in the project already.

    `find_alike` names pairs of subjects that are drawn together.
    """
    intake = Intake()
    for arrival, source_splits, standing, withdrawn in staging.take_out_faulty():
        intake.rejected.append(Rejected(arrival.source_file, _reason_to_refuse(source_splits, standing, withdrawn)))
    alike = ((f"pair {number}", key) for number, pair in enumerate(find_alike()) for key in pair)
    staging.bind(_bind_by_picture(chain(staging.shared(), alike)))
    staging.place_units(_with_lots(staging.units(), seed))
    staging.settle(draw_splits(staging.to_draw()))
    staging.accept_uncontested()
    listed: list[tuple[int, int, Duplicate]] = []
    for standing_by_subject, arrivals in staging.contested():
        for position, arrival in arrivals:
            enters, duplicate = _judge(arrival, standing_by_subject, intake)
            if duplicate:
                listed.append((_PRECEDENCE[duplicate.split], position, duplicate))
            if enters:
                standing_by_subject[arrival.subject_key] = arrival
                staging.accept(position)
    intake.duplicates = [duplicate for _, _, duplicate in sorted(listed, key=lambda entry: entry[:2])]
    return intake


def _reason_to_refuse(source_splits: set[Split], standing: Split | None, withdrawn: bool) -> str:
    if withdrawn:
        return "withdrawn from this project: its subject, or a picture with the same pixels"
    if len(source_splits) > 1:
        return f"the source has its subject in {' and in '.join(sorted(source_splits))}: a subject belongs to one split"
    return f"its subject is in {standing} already, the source says {min(source_splits)}"


def _bind_by_picture(shared: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join subjects that share a picture exactly (union-find): subject to the least key of its group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    first: dict[str, str] = {}
    for picture, subject in shared:
        parent.setdefault(subject, subject)
        own_root, other_root = root(subject), root(first.setdefault(picture, subject))
        parent[max(own_root, other_root)] = min(own_root, other_root)
    return {key: root(key) for key in parent}


def _with_lots(
    units: Iterable[tuple[str, set[str], Split | None]], seed: int
) -> Iterator[tuple[str, str | None, str | None, Split | None]]:
    """Yield each group of subjects with its split, or else with its stratum and its lot."""
    for unit, labels, split in units:
        stratum = None if split else ", ".join(sorted(labels))
        yield unit, stratum, None if split else order_in_stratum(seed, unit), split


def _judge(arrival: Arrival, standing: dict[str, Arrival], intake: Intake) -> tuple[bool, Duplicate | None]:
    """Decide whether an arrival enters, and list it as a duplicate of the equal pictures, by subject."""
    if any(_is_same_picture(arrival, other) for other in standing.values()):
        intake.already += 1
        intake.without_subject += arrival.subject_known and arrival.subject_key not in standing
        return False, None
    if not standing:
        return True, None
    other = standing.get(arrival.subject_key) or next(iter(standing.values()))
    kind = _duplicate_kind(arrival, other)
    return kind is DuplicateKind.ACROSS_SUBJECTS, _duplicate(kind, arrival, other)


def _is_same_picture(arrival: Arrival, other: Arrival) -> bool:
    """Whether an equal picture of the project is the same one: same labels, split and, if known, subject."""
    if not other.in_project or arrival.labels != other.labels or arrival.split != other.split:
        return False
    return arrival.subject_key == other.subject_key or not (arrival.subject_known and other.subject_known)


def _duplicate_kind(arrival: Arrival, other: Arrival) -> DuplicateKind:
    if arrival.split != other.split:
        return DuplicateKind.ACROSS_SPLITS
    if arrival.subject_key == other.subject_key:
        return DuplicateKind.SAME_SUBJECT
    return DuplicateKind.ACROSS_SUBJECTS


def _duplicate(kind: DuplicateKind, arrival: Arrival, other: Arrival) -> Duplicate:
    assert arrival.split
    assert other.split
    return Duplicate(
        kind=kind,
        source_file=arrival.source_file,
        split=arrival.split,
        label=arrival.label,
        of_file=other.source_file,
        of_split=other.split,
        of_label=other.label,
    )
