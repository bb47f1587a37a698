"""Gather who read what of a snapshot: readers by pseudonym, experience in aggregate only."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.exports.pseudonyms import ExportPseudonyms
from curation.reader_study.table import find_withdrawn_readers
from curation.readers.consent import has_withdrawn
from curation.reading.outcome_rule import OutcomeRule
from curation.reading.outcomes import stands
from curation.tables.people import Consent, Reader, ReaderKind
from curation.tables.reading import Outcome, Purpose, Reading, Verdict, Worklist, WorklistItem, WorklistKind
from curation.tables.training import SnapshotItem

PHYSICIANS = ("radiologist", "pathologist", "physician")
FEWEST_READERS = 3  # below it, experience would say who somebody is


@dataclass(frozen=True, slots=True)
class ReaderLine:
    """What one reader did in one worklist; voided readings are not counted."""

    worklist: str
    reader: str
    kind: ReaderKind
    candidates: int
    controls: int
    verdicts: dict[str, int]  # of candidates
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class WorklistFacts:
    """The rules and outcomes of a worklist that holds images of the snapshot."""

    id: int
    name: str
    kind: WorklistKind
    question: str
    label_shown: bool
    readers_per_image: int
    rule: str
    candidates: int
    controls: int
    closed: bool
    outcomes: dict[str, int]
    proxy_only: int
    adjudicated: int
    rejected_for: dict[str, int]  # reasons that people gave

    @property
    def asked(self) -> str:
        """The question without the class of an image."""
        return self.question.replace("{label}", "the class asked for")


@dataclass(frozen=True, slots=True)
class ReadingFacts:
    """All reading of a snapshot's images."""

    worklists: list[WorklistFacts]
    lines: list[ReaderLine]
    frozen_by_people: int  # readings the snapshot rests on
    frozen_by_proxies: int
    frozen_in_grids: int
    physicians: int  # people who read and said to be one
    experience: list[str]
    withdrawn: int

    def readers(self, kind: ReaderKind) -> int:
        """Count the readers of one kind."""
        return len({line.reader for line in self.lines if line.kind is kind})

    def readings(self, kind: ReaderKind) -> int:
        """Count the standing candidate readings by one kind of reader."""
        return sum(line.candidates for line in self.lines if line.kind is kind)

    @property
    def read_by_people(self) -> bool:
        """Tell whether a person read any of it."""
        return self.readings(ReaderKind.HUMAN) > 0

    @property
    def sentence(self) -> str:
        """Say in one sentence who read."""
        people, proxies = self.readers(ReaderKind.HUMAN), self.readers(ReaderKind.PROXY)
        by_people = (
            f"{self.readings(ReaderKind.HUMAN)} readings by {_number(people, 'person', 'people')}, "
            f"{self.physicians} of them physicians by their own word"
            if self.read_by_people
            else "Not yet read by a person"
        )
        if not proxies:
            return f"{by_people}."
        by_proxy = f"{self.readings(ReaderKind.PROXY)} readings by {_number(proxies, 'proxy model', 'proxy models')}"
        return f"{by_people}; {by_proxy}, on which no claim rests."


def _number(count: int, singular: str, plural: str) -> str:
    return f"{count} {singular if count == 1 else plural}"


def reading_facts(session: Session, snapshot_id: int, frozen: frozenset[int], names: ExportPseudonyms) -> ReadingFacts:
    """Gather how the images of a snapshot were read."""
    worklists = _worklists(session, snapshot_id)
    lines = [line for worklist in worklists for line in _reader_lines(session, worklist, names)]
    ids = {worklist.id for worklist in worklists}
    kinds, grids = _count_frozen(session, ids, frozen)
    profiles, withdrawn = _profiles(session, ids)
    return ReadingFacts(
        [_worklist_facts(session, worklist) for worklist in worklists],
        lines,
        kinds[ReaderKind.HUMAN],
        kinds[ReaderKind.PROXY],
        grids,
        sum(profile["profession"] in PHYSICIANS for profile in profiles),
        _experience(profiles),
        withdrawn,
    )


def _worklists(session: Session, snapshot_id: int) -> list[Worklist]:
    held = (
        select(WorklistItem.worklist_id)
        .join(SnapshotItem, SnapshotItem.image_id == WorklistItem.image_id)
        .where(SnapshotItem.snapshot_id == snapshot_id, WorklistItem.purpose == Purpose.CANDIDATE)
    )
    query = select(Worklist).where(Worklist.kind != WorklistKind.PRACTICE, Worklist.id.in_(held))
    return list(session.scalars(query.order_by(Worklist.id)))


def _worklist_facts(session: Session, worklist: Worklist) -> WorklistFacts:
    rule = OutcomeRule(**worklist.rule)
    query = select(Outcome).where(Outcome.worklist_id == worklist.id, Outcome.rule_digest == rule.digest)
    outcomes = session.scalars(query).all()
    is_candidate = (WorklistItem.worklist_id == worklist.id, WorklistItem.purpose == Purpose.CANDIDATE)
    return WorklistFacts(
        id=worklist.id,
        name=worklist.name,
        kind=worklist.kind,
        question=worklist.question,
        label_shown=worklist.label_shown,
        readers_per_image=worklist.readers_per_image,
        rule=f"{rule.kind}, {_number(rule.readers, 'reader', 'readers')}",
        candidates=session.scalar(select(func.count()).where(*is_candidate)) or 0,
        controls=worklist.controls,
        closed=worklist.closed_at is not None,
        outcomes=dict(Counter(outcome.verdict.value for outcome in outcomes)),
        proxy_only=sum(outcome.proxy_only for outcome in outcomes),
        adjudicated=sum(outcome.adjudicated for outcome in outcomes),
        rejected_for=_reasons(session, worklist),
    )


def _reasons(session: Session, worklist: Worklist) -> dict[str, int]:
    """Count why people rejected candidates, in the worklist's words, the most frequent first."""
    query = (
        select(Reading.reasons)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(WorklistItem.worklist_id == worklist.id, WorklistItem.purpose == Purpose.CANDIDATE)
        .where(Reader.kind == ReaderKind.HUMAN, Reading.verdict == Verdict.REJECT, stands())
    )
    words = {reason["code"]: str(reason["text"]) for reason in worklist.reasons}
    codes = (code for listed in session.scalars(query) for code in listed or ["none given"])
    return dict(Counter(words.get(code, str(code)) for code in codes).most_common())


def _reader_lines(session: Session, worklist: Worklist, names: ExportPseudonyms) -> list[ReaderLine]:
    span = (func.min(Reading.created_at), func.max(Reading.created_at))
    query = (
        select(Reader.id, Reader.kind, WorklistItem.purpose, Reading.verdict, func.count(), *span)
        .select_from(Reading)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(WorklistItem.worklist_id == worklist.id, stands())
        .group_by(Reader.id, Reader.kind, WorklistItem.purpose, Reading.verdict)
    )
    by_reader: dict[tuple[int, ReaderKind], list[Any]] = {}
    for row in session.execute(query):
        by_reader.setdefault((row[0], row[1]), []).append(row[2:])
    withdrawn = find_withdrawn_readers(session)
    lines: list[ReaderLine] = []
    for (reader_id, kind), rows in by_reader.items():
        candidates = [row for row in rows if row[0] is Purpose.CANDIDATE]
        verdicts = Counter[Verdict]()
        for _, verdict, count, *_ in candidates:
            verdicts[verdict] += count
        lines.append(
            ReaderLine(
                worklist=worklist.name,
                reader=f"withdrew-{len(lines) + 1}" if reader_id in withdrawn else names.reader(reader_id),
                kind=kind,
                candidates=verdicts.total(),
                controls=sum(row[2] for row in rows) - verdicts.total(),
                verdicts={verdict.value: verdicts[verdict] for verdict in Verdict},
                first_at=min(row[3] for row in rows),
                last_at=max(row[4] for row in rows),
            )
        )
    return sorted(lines, key=lambda line: (line.kind, line.reader))


def _count_frozen(session: Session, worklists: set[int], frozen: frozenset[int]) -> tuple[Counter[ReaderKind], int]:
    """Count the readings the snapshot rests on by kind of reader, and those given for a page of images."""
    query = (
        select(Reading.id, Reader.kind, Reading.mode)
        .join(Reader, Reader.id == Reading.reader_id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .where(WorklistItem.worklist_id.in_(worklists))
    )
    kinds: Counter[ReaderKind] = Counter()
    grids = 0
    for reading_id, kind, mode in session.execute(query):
        if reading_id in frozen:
            kinds[kind] += 1
            grids += mode == "grid"
    return kinds, grids


def _profiles(session: Session, worklists: set[int]) -> tuple[list[dict[str, Any]], int]:
    """Load what the people who read these worklists last stated about themselves; count those who withdrew."""
    read = select(Reading.reader_id).join(WorklistItem, WorklistItem.id == Reading.item_id)
    here = Reader.id.in_(read.where(WorklistItem.worklist_id.in_(worklists)))
    people = select(Reader.id).where(Reader.kind == ReaderKind.HUMAN, here)
    withdrawn = len(session.scalars(people.where(has_withdrawn(Reader.id))).all())
    query = select(Consent).where(Consent.reader_id.in_(people), Consent.withdrawn_at.is_(None)).order_by(Consent.id)
    return list({consent.reader_id: consent.experience for consent in session.scalars(query)}.values()), withdrawn


def _experience(profiles: list[dict[str, Any]]) -> list[str]:
    """Sum up professions and years where there are enough readers for it to identify nobody."""
    if not profiles:
        return []
    if len(profiles) < FEWEST_READERS:
        return [f"{_number(len(profiles), 'reader', 'readers')}: too few to tell their experience"]
    professions = Counter(str(profile["profession"]) for profile in profiles)
    counts = ", ".join(f"{count} {profession}" for profession, count in professions.most_common())
    years = [int(profile["years_reading"]) for profile in profiles]
    return [
        f"{len(profiles)} readers: {counts}",
        f"years of reading such images: median {median(years):g}, from {min(years)} to {max(years)}",
    ]
