"""Decide what of a source enters the project, from what came and what is there.

A subject stands in one split, and a picture stands in one split: where either would stand in two, it is left out and
listed. Subjects without a split are drawn; those that share a picture exactly are drawn together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from curation.ingest.arrival import Candidate
from curation.ingest.import_report import Duplicate, DuplicateKind
from curation.ingest.incoming import Rejected
from curation.ingest.splitting import draw_splits, lot
from curation.ingest.staging import Arrivals
from curation.tables.images import Split

_PRECEDENCE = {split: position for position, split in enumerate(Split)}  # of equal pictures, train's is kept


@dataclass(slots=True)
class Intake:
    """What was left out and why; what enters is `arrivals.accepted()`, each with its split."""

    rejected: list[Rejected] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    already: int = 0
    without_subject: int = 0  # of `already`: here under an unknown subject, while the source names one


def decide(arrivals: Arrivals, seed: int) -> Intake:
    """Give every candidate its split, then leave out what would stand in two splits or is there already."""
    intake = Intake()
    for candidate, given, standing, withdrawn in arrivals.take_out_faulty():
        intake.rejected.append(Rejected(candidate.source_file, _fault(given, standing, withdrawn)))
    arrivals.bind(_bind_by_picture(arrivals.shared()))
    arrivals.place_units(_with_lots(arrivals.units(), seed))
    arrivals.settle(draw_splits(arrivals.to_draw()))
    arrivals.accept_uncontested()
    listed: list[tuple[int, int, Duplicate]] = []
    for there, candidates in arrivals.contested():
        for position, candidate in candidates:
            enters, duplicate = _judge(candidate, there, intake)
            if duplicate:
                listed.append((_PRECEDENCE[duplicate.split], position, duplicate))
            if enters:
                there[candidate.subject_key] = candidate
                arrivals.accept(position)
    intake.duplicates = [duplicate for _, _, duplicate in sorted(listed, key=lambda entry: entry[:2])]
    return intake


def _fault(given: set[Split], standing: Split | None, withdrawn: bool) -> str:
    if withdrawn:
        return "withdrawn from this project: the subject, or a picture exactly like it"
    if len(given) > 1:
        return f"its subject is given in {' and in '.join(sorted(given))}: a subject stands in one split"
    return f"its subject stands in {standing} already, the source says {min(given)}"


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
        mine, other = root(subject), root(first.setdefault(picture, subject))
        parent[max(mine, other)] = min(mine, other)
    return {key: root(key) for key in parent}


def _with_lots(
    units: Iterable[tuple[str, set[str], Split | None]], seed: int
) -> Iterator[tuple[str, str | None, str | None, Split | None]]:
    """Each group of subjects with the split it is pulled to, or else with its stratum and its lot."""
    for unit, labels, split in units:
        yield (unit, None, None, split) if split else (unit, ", ".join(sorted(labels)), lot(seed, unit), None)


def _judge(candidate: Candidate, standing: dict[str, Candidate], intake: Intake) -> tuple[bool, Duplicate | None]:
    """Whether a candidate enters, and what is listed of it against the equal pictures standing, by subject."""
    if any(_is_it(candidate, other) for other in standing.values()):
        intake.already += 1
        intake.without_subject += candidate.subject_known and candidate.subject_key not in standing
        return False, None
    if not standing:
        return True, None
    other = standing.get(candidate.subject_key) or next(iter(standing.values()))
    kind = _kind(candidate, other)
    return kind is DuplicateKind.ACROSS_SUBJECTS, _duplicate(kind, candidate, other)


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
