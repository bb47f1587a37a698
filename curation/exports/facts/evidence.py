"""Gather what was measured of readers, checks and sets, fit for strangers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from curation.exports.facts.measured import SavedMeasurement, set_measures, tellable_numbers
from curation.exports.facts.screening import ScreeningFacts, screening_facts
from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.pseudonyms import ExportPseudonyms
from curation.provenance.public_web import saw_public_web
from curation.reader_study.report import Figure, ReaderStudy, reader_study
from curation.tables.images import BuildStatus
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.pairs import Pair, PairList, PairReading
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import WorklistKind
from curation.withdrawal.affected_results import WithdrawnSubjects, check_reports_on, measurements_on, pair_lists_on

SOME_READER = "a reader"


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """The reader study of one worklist, with readers by pseudonym."""

    worklist: str
    readers: int
    readings: int
    excluded: int
    turing: str | None
    figures: list[Figure]

    def with_keys(self, *keys: str) -> list[Figure]:
        """Find the figures with these keys."""
        return [figure for figure in self.figures if figure.key in keys]


@dataclass(frozen=True, slots=True)
class PairsJudged:
    """The number of judgements with one verdict on pairs of one kind."""

    name: str
    truth: str
    verdict: str
    judgements: int
    withdrawn_subjects: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything measured that a release contains."""

    studies: list[StudyFacts]
    checks: list[SavedMeasurement]
    sets: list[SavedMeasurement]
    pairs: list[PairsJudged]
    screening: ScreeningFacts


def gather_evidence(session: Session, facts: SnapshotFacts, snapshot_id: int, names: ExportPseudonyms) -> Evidence:
    """Gather reader studies of worklists that people read, screening results, reports of checks and sets."""
    by_name = {row.name: names.reader(row.id) for row in session.execute(select(Reader.id, Reader.name))}
    read = {line.worklist for line in facts.reading.lines if line.kind is ReaderKind.HUMAN}
    studies = [
        _study_facts(reader_study(session, worklist.id), by_name)
        for worklist in facts.reading.worklists
        if worklist.name in read and worklist.kind is not WorklistKind.PRACTICE
    ]
    screening = screening_facts(session, snapshot_id)
    return Evidence(studies, _check_reports(session), _set_measurements(session), _judged_pairs(session), screening)


def _study_facts(study: ReaderStudy, by_name: Mapping[str, str]) -> StudyFacts:
    shown = {"": "", "all": "all", **by_name}
    shown |= {
        " and ".join(pair.readers): " and ".join(by_name.get(name, SOME_READER) for name in pair.readers)
        for pair in study.pairs
    }
    figures = [replace(figure, reader=shown.get(figure.reader, SOME_READER)) for figure in study.figures()]
    turing = study.turing.sentence if study.turing else None
    return StudyFacts(study.worklist, len(study.readers), study.readings, len(study.excluded), turing, figures)


def _check_reports(session: Session) -> list[SavedMeasurement]:
    withdrawn = check_reports_on(session, WithdrawnSubjects.recorded())
    query = select(CheckReport).where(CheckReport.status == BuildStatus.READY).order_by(CheckReport.id)
    return [
        SavedMeasurement(
            report.kind,
            report.parameters_digest,
            report.created_at,
            tellable_numbers(session, report.result),
            not_said=report.result.get("cannot_be_said"),
            withdrawn_subjects=withdrawn.get(report.id, 0),
            saw_public_web=saw_public_web(report.parameters),
        )
        for report in session.scalars(query)
    ]


def _set_measurements(session: Session) -> list[SavedMeasurement]:
    withdrawn = measurements_on(session, WithdrawnSubjects.recorded())
    query = select(SetMeasurement).where(SetMeasurement.status == BuildStatus.READY).order_by(SetMeasurement.id)
    return [
        SavedMeasurement(
            "set measures",
            row.request_digest,
            row.created_at,
            numbers := tellable_numbers(session, row.result),
            row.request.get("snapshot"),
            row.result.get("membership", {}).get("reason") or None,
            withdrawn.get(row.id, 0),
            tuple(set_measures(row.result, numbers)),
            saw_public_web(row.request),
        )
        for row in session.scalars(query)
    ]


def _judged_pairs(session: Session) -> list[PairsJudged]:
    withdrawn = pair_lists_on(session, WithdrawnSubjects.recorded())
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
        PairsJudged(name, truth.value, verdict.value, count, withdrawn.get(number, 0))
        for number, name, truth, verdict, count in session.execute(query)
        if verdict is not None
    ]
