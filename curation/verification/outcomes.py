"""Check outcomes: decide them again from the readings they name and their rule, and compare.

An outcome of earlier readings is not wrong, only old: it is compared with the readings it names, not with later ones.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from curation.queries import CHUNK, chunks, class_asked
from curation.reading.outcome_rule import OutcomeRule, StandingReading, decide
from curation.reading.outcomes import iterate_standing
from curation.reading.slots import MOST_READERS
from curation.tables.images import BuildStatus, Image
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, AssignmentPurpose, Outcome, Purpose, Reading, WorklistItem
from curation.tables.training import Snapshot

A_MINUTE = timedelta(minutes=1)
KINDS = ("single", "majority", "unanimous", "adjudicated")
# Of an outcome: the column, how a fault begins, and what stands for nothing.
DECIDED = (
    ("verdict", "it says", "nothing"),
    ("label", "its corrected class is", "none"),
    ("proxy_only", "that it rests on models alone is", "False"),
    ("grid", "that it rests on a page of the grid is", "False"),
    ("adjudicated", "that it was adjudicated is", "False"),
)


def outcome_faults(session: Session) -> Iterator[str]:
    """Describe each outcome that its readings do not give, or whose readings are missing."""
    rules = {rule.digest: rule for kind in KINDS for n in range(1, MOST_READERS + 1) for rule in [OutcomeRule(kind, n)]}  # type: ignore[arg-type]
    last = (0, 0, "")
    key = (Outcome.worklist_id, Outcome.image_id, Outcome.rule_digest)
    while True:
        query = select(Outcome).where(tuple_(*key) > tuple_(*last)).order_by(*key).limit(CHUNK)
        outcomes = session.scalars(query).all()
        if not outcomes:
            return
        newest = outcomes[-1]
        last = (newest.worklist_id, newest.image_id, newest.rule_digest)
        yield from _chunk_faults(session, outcomes, rules)
        session.expunge_all()


def _chunk_faults(session: Session, outcomes: Sequence[Outcome], rules: dict[str, OutcomeRule]) -> Iterator[str]:
    readings: dict[int, tuple[int, StandingReading]] = {}
    for chunk in chunks(reading for outcome in outcomes for reading in outcome.reading_ids):
        readings |= _load_readings(session, chunk)
    pairs = [(outcome.worklist_id, outcome.image_id) for outcome in outcomes]
    key = (WorklistItem.worklist_id, WorklistItem.image_id)
    listed = select(*key).where(tuple_(*key).in_(pairs), WorklistItem.purpose == Purpose.CANDIDATE)
    candidates = {tuple(row) for row in session.execute(listed)}
    standing = _standing_readings(session, outcomes)
    images = [outcome.image_id for outcome in outcomes]
    withdrawn = set(session.scalars(select(Image.id).where(Image.id.in_(images), Image.withdrawn_at.is_not(None))))
    for outcome in outcomes:
        rule = rules.get(outcome.rule_digest)
        is_withdrawn = outcome.image_id in withdrawn
        fault = _outcome_fault(outcome, readings, rule, is_withdrawn) or _left_out(
            session, outcome, standing.get(_place(outcome), ()), rule
        )
        if (outcome.worklist_id, outcome.image_id) not in candidates:
            fault = "the image is no candidate of that worklist"
        if fault:
            yield f"outcome of image {outcome.image_id} in worklist {outcome.worklist_id}: {fault}"


def _place(outcome: Outcome) -> tuple[int, int]:
    return outcome.worklist_id, outcome.image_id


def _standing_readings(
    session: Session, outcomes: Sequence[Outcome]
) -> dict[tuple[int, int], Sequence[StandingReading]]:
    """Load what stands now of the images of some outcomes, which are in the order of worklists and images."""
    standing: dict[tuple[int, int], Sequence[StandingReading]] = {}
    for worklist_id, group in groupby(outcomes, key=lambda outcome: outcome.worklist_id):
        images = [outcome.image_id for outcome in group]
        which = (WorklistItem.worklist_id == worklist_id) & WorklistItem.image_id.between(images[0], images[-1])
        standing |= {(worklist_id, image): readings for image, readings in iterate_standing(session, which)}
    return standing


def _outcome_fault(
    outcome: Outcome, readings: dict[int, tuple[int, StandingReading]], rule: OutcomeRule | None, withdrawn: bool
) -> str | None:
    if rule is None:
        return "its rule is none that Rounds knows"
    missing = [reading for reading in outcome.reading_ids if reading not in readings]
    if missing:
        return f"readings it rests on are missing: {missing[:5]}"
    if not outcome.reading_ids or any(readings[key][0] != outcome.image_id for key in outcome.reading_ids):
        return "it rests on readings of another image"
    contents = [readings[key][1] for key in outcome.reading_ids]
    decision = decide(contents, rule)
    # A withdrawal removes the class that was asked for, with which a class in a reading was compared.
    open_questions = ("verdict", "label") if withdrawn and any(content.label for content in contents) else ()
    by_rule = f"under the rule {rule.kind} {rule.readers}"
    wrong = [
        f"{says} {getattr(outcome, name) or none}, its readings give {getattr(decision, name) or none} {by_rule}"
        for name, says, none in DECIDED
        if name not in open_questions and getattr(outcome, name) != getattr(decision, name)
    ]
    return "; ".join(wrong) or None


def _left_out(
    session: Session, outcome: Outcome, standing: Sequence[StandingReading], rule: OutcomeRule | None
) -> str | None:
    """Name readings that an outcome leaves out although they stood when it was computed.

    An outcome rests on all readings before the newest that it names; one that names a reading taken back since is old.
    On PostgreSQL a reading may be committed after one with a higher number, so those of the last minute do not count.
    """
    named = set(outcome.reading_ids)
    if rule is None or not named <= {reading.id for reading in standing}:
        return None
    known = [reading for reading in standing if reading.id <= max(named)]
    missing = sorted(set(decide(known, rule).reading_ids) - named)
    if missing:
        newest = session.scalars(select(Reading.created_at).where(Reading.id == max(named))).one()
        earlier = select(Reading.id).where(Reading.id.in_(missing), Reading.created_at < newest - A_MINUTE)
        missing = list(session.scalars(earlier.order_by(Reading.id)))
    return f"it leaves out readings that stood before those it names: {missing[:5]}" if missing else None


def _load_readings(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, StandingReading]]:
    """Load the image and content of readings by id, voided ones too; missing ones are left out."""
    asked = class_asked(WorklistItem.image_id).label("asked")
    query = (
        select(WorklistItem.image_id, Reading, Assignment.purpose, Reader.kind, asked)
        .select_from(Reading)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(Reading.id.in_(ids), Reading.verdict.is_not(None))
    )
    by_id: dict[int, tuple[int, StandingReading]] = {}
    for image_id, reading, purpose, kind, label in session.execute(query):
        assert reading.verdict is not None
        content = StandingReading(
            reading.id,
            reading.verdict,
            None if reading.corrected_label == label else reading.corrected_label,
            kind is ReaderKind.PROXY,
            reading.mode == "grid",
            purpose is AssignmentPurpose.ADJUDICATION,
        )
        by_id[reading.id] = (image_id, content)
    return by_id


def frozen_reading_faults(session: Session) -> Iterator[str]:
    """Describe each snapshot whose frozen readings are missing."""
    snapshots = select(Snapshot.id).where(Snapshot.status == BuildStatus.READY).order_by(Snapshot.id)
    for snapshot_id in session.scalars(snapshots).all():
        snapshot = session.get_one(Snapshot, snapshot_id)
        missing = sum(_count_missing(session, chunk) for chunk in chunks(snapshot.reading_ids))
        if missing:
            of_all = f"{missing} of the {len(snapshot.reading_ids)} readings"
            yield f"snapshot {snapshot.name!r}: {of_all} it rests on are missing"
        session.expunge(snapshot)


def _count_missing(session: Session, ids: Sequence[int]) -> int:
    return len(set(ids) - set(session.scalars(select(Reading.id).where(Reading.id.in_(ids)))))
