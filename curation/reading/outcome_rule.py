"""The rule by which the readings of an image make its outcome: a pure function, without a database.

Unsure never counts as accept. A proxy decides only where no person has read, and the outcome then says `proxy_only`.
Where an adjudicator has read, the outcome is theirs and names the ids of all readings.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from curation.digests import digest_of
from curation.tables.reading import OutcomeVerdict, Verdict


@dataclass(frozen=True, slots=True)
class StandingReading:
    """A reading that was not taken back; `label` is None for the class that was asked for."""

    id: int
    verdict: Verdict
    label: str | None
    is_proxy: bool
    is_grid: bool = False
    is_adjudication: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """How many readers an image needs, and how their verdicts add up."""

    kind: Literal["single", "majority", "unanimous", "adjudicated"]
    readers: int

    @property
    def digest(self) -> str:
        """The key of this rule's outcomes."""
        return digest_of({"kind": self.kind, "readers": self.readers})


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome before it has a row."""

    verdict: OutcomeVerdict
    label: str | None
    reading_ids: tuple[int, ...]
    proxy_only: bool
    grid: bool = False
    adjudicated: bool = False


def decide(readings: Sequence[StandingReading], rule: OutcomeRule) -> Decision:
    """Decide the outcome of one image from its readings, in any order; there must be at least one."""
    people = [reading for reading in readings if not reading.is_proxy]
    if not people:
        verdict, label = _add_up(readings, OutcomeRule("majority", 1))
        return Decision(verdict, label, _ids(readings), proxy_only=True)
    grid = any(reading.is_grid for reading in people)
    last = max((reading for reading in people if reading.is_adjudication), key=lambda reading: reading.id, default=None)
    if last is not None and rule.kind == "adjudicated":
        # The adjudicator decides; after a reveal, by the verdict given then.
        verdict, label = _add_up([last], OutcomeRule("single", 1))
        return Decision(verdict, label, _ids(people), proxy_only=False, grid=grid, adjudicated=True)
    first = [reading for reading in people if not reading.is_adjudication]
    verdict, label = _add_up(first, rule) if first else (OutcomeVerdict.UNRESOLVED, None)
    return Decision(verdict, label, _ids(people), proxy_only=False, grid=grid)


def is_disputed(readings: Sequence[StandingReading], rule: OutcomeRule) -> bool:
    """Whether enough people have read an image and disagree, on the verdict or on the class."""
    first = [reading for reading in readings if not reading.is_proxy and not reading.is_adjudication]
    return len(first) >= rule.readers and _add_up(first, rule)[0] is OutcomeVerdict.UNRESOLVED


def count_decided(readings: Sequence[StandingReading]) -> int:
    """Count the readings by people that are not unsure."""
    return sum(reading.verdict is not Verdict.UNSURE for reading in readings if not reading.is_proxy)


def _ids(readings: Sequence[StandingReading]) -> tuple[int, ...]:
    return tuple(sorted(reading.id for reading in readings))


def _add_up(readings: Sequence[StandingReading], rule: OutcomeRule) -> tuple[OutcomeVerdict, str | None]:
    verdict = _verdict(Counter(reading.verdict for reading in readings), rule)
    if verdict is not OutcomeVerdict.APPROVED:
        return verdict, None
    labels = {reading.label for reading in readings if reading.verdict is Verdict.ACCEPT}
    return (verdict, labels.pop()) if len(labels) == 1 else (OutcomeVerdict.UNRESOLVED, None)


def _verdict(verdicts: Counter[Verdict], rule: OutcomeRule) -> OutcomeVerdict:
    accepts, rejects, read = verdicts[Verdict.ACCEPT], verdicts[Verdict.REJECT], verdicts.total()
    if rule.kind == "unanimous" and rejects:
        return OutcomeVerdict.REJECTED
    if read < rule.readers:
        return OutcomeVerdict.UNRESOLVED
    if rule.kind == "unanimous":
        return OutcomeVerdict.APPROVED if accepts >= rule.readers else OutcomeVerdict.UNRESOLVED
    if rule.kind == "adjudicated":
        agreed = {accepts: OutcomeVerdict.APPROVED, rejects: OutcomeVerdict.REJECTED}
        return agreed.get(read, OutcomeVerdict.UNRESOLVED)
    voters = max(rule.readers, accepts + rejects)
    if 2 * accepts > voters:
        return OutcomeVerdict.APPROVED
    return OutcomeVerdict.REJECTED if 2 * rejects > voters else OutcomeVerdict.UNRESOLVED
