"""All statistics of how a worklist was read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.estimates import Estimate
from curation.reader_study.agreement import PairAgreement, ReaderAgreement, agreements, pair_agreements
from curation.reader_study.consensus import Consensus, consensus
from curation.reader_study.detection import Detection, detection
from curation.reader_study.exclusion import AppliedRule, apply_exclusion_rule
from curation.reader_study.over_time import ReadingOverTime, reading_over_time
from curation.reader_study.table import StudyTable, load_study_table
from curation.reader_study.turing import TuringResult, turing_result
from curation.reading.recipe import ExclusionRule, recipe_of
from curation.reading.worklist import open_worklist
from curation.tables.reading import Worklist, WorklistKind


class Scale(StrEnum):
    """The values that a figure can take."""

    SHARE = "0 to 1"
    AGREEMENT = "-1 to 1"
    POSITIVE = "0 and more"
    SIGNED = "any"


# Each figure by its key: what pages and files call it, and its scale.
FIGURES = {
    "sensitivity": ("sensitivity to planted defects", Scale.SHARE),
    "sensitivity_by_defect": ("sensitivity", Scale.SHARE),
    "false_rejects": ("real images rejected", Scale.SHARE),
    "d_prime": ("d'", Scale.SIGNED),
    "criterion": ("criterion c", Scale.SIGNED),
    "repeats_alike": ("repeats read alike", Scale.SHARE),
    "repeats_kappa": ("repeats, Cohen's kappa", Scale.AGREEMENT),
    "median_s": ("median seconds per image", Scale.POSITIVE),
    "accepted": ("accepted", Scale.SHARE),
    "accept_drift": ("accepted, late less early", Scale.SIGNED),
    "right_drift": ("controls read rightly, late less early", Scale.SIGNED),
    "right": ("controls read rightly", Scale.SHARE),
    "alpha": ("Krippendorff's alpha", Scale.AGREEMENT),
    "fleiss_kappa": ("Fleiss' kappa", Scale.AGREEMENT),
    "ac1": ("Gwet's AC1", Scale.AGREEMENT),
    "cohen_kappa": ("Cohen's kappa", Scale.AGREEMENT),
    "reader_quality": ("reader quality (CROWDLAB)", Scale.SHARE),
    "turing_auc": ("AUC real against synthetic", Scale.SHARE),
}
AGREEMENT_KEYS = ("alpha", "fleiss_kappa", "ac1", "cohen_kappa", "reader_quality")
TURING_KEYS = ("turing_auc",)
COLUMNS = ("figure", "reader", "group", "value", "low", "high", "n", "note")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table for people or for CSV."""

    key: str
    reader: str
    group: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str

    @property
    def figure(self) -> str:
        """What pages and files call it."""
        return FIGURES[self.key][0]

    @property
    def scale(self) -> Scale:
        """The values it can take."""
        return FIGURES[self.key][1]

    def as_row(self) -> dict[str, str | float | None]:
        """Give the line by the names of COLUMNS."""
        return {name: getattr(self, name) for name in COLUMNS}


@dataclass(frozen=True, slots=True)
class ReaderStudy:
    """The statistics of a worklist: of each reader, and of readers with each other."""

    worklist: str
    readers: tuple[str, ...]
    readings: int  # first looks at single images, by people
    grid_readings: int  # left out
    withdrawn: int  # readers who withdrew, left out
    detections: tuple[Detection, ...]
    courses: tuple[ReadingOverTime, ...]
    judged: tuple[AppliedRule, ...]
    excluded: tuple[str, ...]
    agreements: tuple[ReaderAgreement, ...]  # without the excluded
    pairs: tuple[PairAgreement, ...]
    consensus: Consensus
    turing: TuringResult | None

    def figures(self) -> Iterator[Figure]:
        """One flat line per figure."""
        for detected in self.detections:
            yield _line("sensitivity", detected.reader, "", detected.sensitivity)
            for kind, value in detected.by_defect.items():
                yield _line("sensitivity_by_defect", detected.reader, kind, value)
            yield _line("false_rejects", detected.reader, "", detected.false_rejects)
            yield _line("d_prime", detected.reader, "", detected.d_prime)
            yield _line("criterion", detected.reader, "", detected.criterion)
        for run in self.courses:
            yield _line("repeats_alike", run.reader, "", run.repeats_alike)
            yield _line("repeats_kappa", run.reader, "", run.repeats_kappa)
            yield _line("median_s", run.reader, "", run.median_s)
            yield _line("accepted", run.reader, "first third of a sitting", run.accepted_early)
            yield _line("accepted", run.reader, "last third of a sitting", run.accepted_late)
            yield _line("accept_drift", run.reader, "", run.accept_drift)
            yield _line("right_drift", run.reader, "", run.right_drift)
            yield _line("right", run.reader, "faster than own median", run.right_fast)
            yield _line("right", run.reader, "slower than own median", run.right_slow)
        for question in self.agreements:
            yield _line("alpha", "", question.question, question.alpha)
            yield _line("fleiss_kappa", "", question.question, question.fleiss)
            yield _line("ac1", "", question.question, question.ac1)
        for pair in self.pairs:
            yield _line("cohen_kappa", " and ".join(pair.readers), "verdict", pair.kappa)
        for name, quality in self.consensus.readers.items():
            yield Figure("reader_quality", name, "", quality, None, None, len(self.consensus.images), "")
        if self.turing is not None:
            for name, value in self.turing.by_reader.items():
                yield _line("turing_auc", name, "", value)
            yield _line("turing_auc", "all", "over readers and images", self.turing.pooled)


def _line(key: str, reader: str, group: str, value: Estimate) -> Figure:
    note = value.how if value.low is None else ""
    return Figure(key, reader, group, value.value, value.low, value.high, value.n, note)


def reader_study(session: Session, worklist_id: int, seed: int = 0) -> ReaderStudy:
    """Compute all statistics of a worklist as read so far. Raises NotFound, and BadInput for practice."""
    worklist = open_worklist(session, worklist_id)
    if worklist.kind is WorklistKind.PRACTICE:
        raise BadInput(f"{worklist.name!r} is practice, which enters no statistics. Name the worklist it is for.")
    table = load_study_table(session, worklist_id)
    random = np.random.default_rng(seed)
    blind = table.blind()
    detections, courses, judged = _judge_readers(worklist, table, random)
    excluded = _excluded(judged)
    counted = blind.without(set(excluded))
    is_turing = worklist.kind is WorklistKind.TURING
    return ReaderStudy(
        worklist=worklist.name,
        readers=tuple(blind.by_reader()),
        readings=len(blind.rows),
        grid_readings=sum(row.mode == "grid" for row in table.rows),
        withdrawn=table.withdrawn,
        detections=detections,
        courses=courses,
        judged=judged,
        excluded=excluded,
        agreements=tuple(agreements(counted, [str(reason["code"]) for reason in worklist.reasons], random)),
        pairs=tuple(pair_agreements(counted, random)),
        consensus=consensus(counted),
        turing=turing_result(counted, recipe_of(worklist).margin, random) if is_turing else None,
    )


def excluded_readers(session: Session, worklist: Worklist) -> tuple[str, ...]:
    """Name the readers whom the rules of a worklist exclude now; reads nothing where it has no rule."""
    if not _exclusion_rule(worklist).model_dump(exclude_none=True):
        return ()
    return _excluded(_judge_readers(worklist, load_study_table(session, worklist.id), np.random.default_rng(0))[2])


def _exclusion_rule(worklist: Worklist) -> ExclusionRule:
    rule = recipe_of(worklist).exclusion
    if worklist.kind is WorklistKind.TURING:
        # A rejection means "synthetic" there: to exclude by it would exclude by what is measured.
        rule = rule.model_copy(update={"max_false_rejects": None, "min_sensitivity": None})
    return rule


def _judge_readers(
    worklist: Worklist, table: StudyTable, random: np.random.Generator
) -> tuple[tuple[Detection, ...], tuple[ReadingOverTime, ...], tuple[AppliedRule, ...]]:
    """Measure each reader, and apply the exclusion rules of the worklist to each."""
    rule = _exclusion_rule(worklist)
    detections = tuple(detection(rows, name) for name, rows in table.blind().by_reader().items())
    by_reader = table.by_reader().items()
    courses = tuple(reading_over_time(rows, name, random) for name, rows in by_reader if rows.blind().rows)
    measured = zip(detections, courses, strict=True)
    return detections, courses, tuple(line for pair in measured for line in apply_exclusion_rule(rule, *pair))


def _excluded(judged: Sequence[AppliedRule]) -> tuple[str, ...]:
    return tuple(sorted({line.reader for line in judged if line.excluded}))
