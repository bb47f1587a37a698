"""What was measured of readers, checks and sets, made fit for strangers: pseudonyms for names, numbers for results."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from curation.exports.facts import Facts
from curation.exports.pseudonyms import Pseudonyms
from curation.exports.screening_facts import ScreeningFacts, screening_facts
from curation.exports.tellable import subject_keys_among
from curation.models.images import BuildStatus
from curation.models.measures import CheckReport, SetMeasurement
from curation.models.pairs import Pair, PairList, PairReading
from curation.models.people import Reader, ReaderKind
from curation.models.reading import WorklistKind
from curation.reader_study.report import Figure, ReaderStudy, reader_study

SOME_READER = "a reader"
LONGEST_TEXT = 60
SEPARATOR = " / "
NAMING = ("scope", "name", "check", "defect", "transformation", "severity", "class")  # of an entry of a list


@dataclass(frozen=True, slots=True)
class Measured:
    """One saved measurement: of what, when, by what parameters, and every number in its result by its path."""

    kind: str
    digest: str
    at: datetime
    numbers: dict[str, float]
    snapshot: str | None = None  # the one it measured

    def estimates(self) -> dict[str, tuple[float, float | None, float | None]]:
        """Values with their intervals, by path: what was saved as {value, low, high}."""
        ends = (f"{SEPARATOR}value", f"{SEPARATOR}low", f"{SEPARATOR}high")
        paths = [path.removesuffix(ends[0]) for path in self.numbers if path.endswith(ends[0])]
        return {
            path: (self.numbers[path + ends[0]], self.numbers.get(path + ends[1]), self.numbers.get(path + ends[2]))
            for path in paths
        }


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """How one worklist was read, with readers by pseudonym."""

    worklist: str
    readers: int
    readings: int
    excluded: int
    turing: str | None
    figures: list[Figure]

    def of(self, *names: str) -> list[Figure]:
        """The figures so called."""
        return [figure for figure in self.figures if figure.figure in names]


@dataclass(frozen=True, slots=True)
class PairsJudged:
    """How often pairs of one kind were judged so."""

    name: str
    truth: str
    verdict: str
    judgements: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything measured that a release tells."""

    studies: list[StudyFacts]
    checks: list[Measured]
    sets: list[Measured]
    pairs: list[PairsJudged]
    screening: ScreeningFacts


def gather_evidence(session: Session, facts: Facts, snapshot_id: int, names: Pseudonyms) -> Evidence:
    """Reader studies of every worklist that people read, what screening said, every report of checks and sets."""
    by_name = {
        name: names.reader(reader_id) for reader_id, name in session.execute(select(Reader.id, Reader.name)).all()
    }
    read = {line.worklist for line in facts.reading.lines if line.kind is ReaderKind.HUMAN}
    studies = [
        _study(reader_study(session, worklist.id), by_name)
        for worklist in facts.reading.worklists
        if worklist.name in read and worklist.kind is not WorklistKind.PRACTICE
    ]
    screening = screening_facts(session, snapshot_id)
    return Evidence(studies, _checks(session), _sets(session), _pairs(session), screening)


def _study(study: ReaderStudy, by_name: Mapping[str, str]) -> StudyFacts:
    shown = {"": "", "all": "all", **by_name}
    shown |= {
        " and ".join(pair.readers): " and ".join(by_name.get(name, SOME_READER) for name in pair.readers)
        for pair in study.pairs
    }
    figures = [replace(figure, reader=shown.get(figure.reader, SOME_READER)) for figure in study.figures()]
    return StudyFacts(
        study.worklist,
        len(study.readers),
        study.readings,
        len(study.excluded),
        study.turing.sentence if study.turing else None,
        figures,
    )


def _checks(session: Session) -> list[Measured]:
    query = select(CheckReport).where(CheckReport.status == BuildStatus.READY).order_by(CheckReport.id)
    return [
        Measured(one.kind, one.parameters_digest, one.created_at, _tellable(session, one.result))
        for one in session.scalars(query)
    ]


def _sets(session: Session) -> list[Measured]:
    query = select(SetMeasurement).where(SetMeasurement.status == BuildStatus.READY).order_by(SetMeasurement.id)
    return [
        Measured(
            "set measures",
            one.request_digest,
            one.created_at,
            _tellable(session, one.result),
            one.request.get("snapshot"),
        )
        for one in session.scalars(query)
    ]


def _pairs(session: Session) -> list[PairsJudged]:
    void = aliased(PairReading)
    keys = (PairList.id, PairList.name, Pair.truth, PairReading.verdict)
    query = (
        select(*keys, func.count())
        .join(Pair, Pair.pair_list_id == PairList.id)
        .join(PairReading, PairReading.pair_id == Pair.id)
        .where(~exists().where(void.voids_id == PairReading.id))
        .group_by(*keys)
        .order_by(*keys)
    )
    return [
        PairsJudged(name, truth.value, verdict.value, count)
        for _, name, truth, verdict, count in session.execute(query)
        if verdict is not None
    ]


def _tellable(session: Session, result: dict[str, Any]) -> dict[str, float]:
    """Every number of a saved result by its path, without those that stand under a subject's key."""
    numbers = dict(_numbers(result))
    keys = subject_keys_among(session, {word for path in numbers for word in path.split(SEPARATOR)})
    return {path: value for path, value in numbers.items() if keys.isdisjoint(path.split(SEPARATOR))}


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a saved result by its path. Texts and curves stay behind: a file or a key may be among texts."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield path, float(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, _join(path, str(key)))
    elif isinstance(value, list) and not all(isinstance(inner, int | float) for inner in value):
        for number, inner in enumerate(value):
            yield from _numbers(inner, _join(path, str(_named(inner) or number)))


def _named(value: Any) -> str | None:
    """What an entry of a list is called, where it says so in a short word."""
    said = [value.get(key) for key in NAMING] if isinstance(value, dict) else []
    names = [name for name in said if isinstance(name, str) and len(name) <= LONGEST_TEXT and "/" not in name]
    return ", ".join(names) or None


def _join(path: str, key: str) -> str:
    return f"{path}{SEPARATOR}{key}" if path else key
