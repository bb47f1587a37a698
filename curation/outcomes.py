"""Outcomes: what the readings of an image amount to. A pure function of the readings that stand and the rule.

Unsure never counts as accept. Readings of people outweigh those of proxies: a proxy decides only where no person has
read, and the outcome then says `proxy_only`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, ScalarSelect, and_, delete, exists, func, insert, select
from sqlalchemy.orm import Session, aliased

from curation.audit import digest_of
from curation.errors import NotFound
from curation.models.images import ImageLabel, Label
from curation.models.people import Reader, ReaderKind
from curation.models.reading import Outcome, OutcomeVerdict, Purpose, Reading, Verdict, Worklist, WorklistItem

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class StandingReading:
    """A reading that nobody took back; `label` is None where it is the class that was asked for."""

    id: int
    verdict: Verdict
    label: str | None
    is_proxy: bool


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """How many readers an image needs, and how their verdicts add up."""

    kind: Literal["single", "majority", "unanimous"]
    readers: int

    @property
    def digest(self) -> str:
        """What keys the outcomes of this rule."""
        return digest_of({"kind": self.kind, "readers": self.readers})


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome before it has a row."""

    verdict: OutcomeVerdict
    label: str | None
    reading_ids: tuple[int, ...]
    proxy_only: bool


def decide(readings: Sequence[StandingReading], rule: OutcomeRule) -> Decision:
    """What `readings` of one image amount to, in whatever order they come; readings must not be empty."""
    people = [reading for reading in readings if not reading.is_proxy]
    counted = people or list(readings)
    needed = rule.readers if people else 1
    ids = tuple(sorted(reading.id for reading in counted))
    verdicts = Counter(reading.verdict for reading in counted)
    verdict = _verdict(verdicts, needed, rule.kind if people else "majority")
    label = None
    if verdict is OutcomeVerdict.APPROVED:
        labels = Counter(reading.label for reading in counted if reading.verdict is Verdict.ACCEPT)
        if len(labels) > 1:
            verdict = OutcomeVerdict.UNRESOLVED
        else:
            label = next(iter(labels))
    return Decision(verdict, label, ids, proxy_only=not people)


def _verdict(verdicts: Counter[Verdict], needed: int, kind: str) -> OutcomeVerdict:
    accepts, rejects = verdicts[Verdict.ACCEPT], verdicts[Verdict.REJECT]
    read = verdicts.total()
    if kind == "unanimous" and rejects:
        return OutcomeVerdict.REJECTED
    if read < needed:
        return OutcomeVerdict.UNRESOLVED
    if kind == "unanimous":
        return OutcomeVerdict.APPROVED if accepts == read else OutcomeVerdict.UNRESOLVED
    if 2 * accepts > read:
        return OutcomeVerdict.APPROVED
    return OutcomeVerdict.REJECTED if 2 * rejects > read else OutcomeVerdict.UNRESOLVED


def recompute_outcomes(session: Session, worklist_id: int) -> dict[str, int]:
    """Replace the outcomes of a worklist under its present rule; returns counts by verdict. Raises NotFound."""
    # Locked, so that two at once give the outcomes one after the other; readings go on meanwhile.
    locked = select(Worklist).where(Worklist.id == worklist_id).with_for_update(key_share=True)
    worklist = session.scalars(locked).one_or_none()
    if worklist is None:
        raise NotFound(f"there is no worklist {worklist_id}.")
    rule = OutcomeRule(**worklist.rule)
    decisions = decisions_of(session, worklist)
    session.execute(delete(Outcome).where(Outcome.worklist_id == worklist_id, Outcome.rule_digest == rule.digest))
    rows: list[dict[str, Any]] = [
        {
            "worklist_id": worklist_id,
            "image_id": image_id,
            "rule_digest": rule.digest,
            "verdict": decision.verdict,
            "label": decision.label,
            "reading_ids": list(decision.reading_ids),
            "proxy_only": decision.proxy_only,
        }
        for image_id, decision in sorted(decisions.items())
    ]
    for start in range(0, len(rows), CHUNK):
        session.execute(insert(Outcome), rows[start : start + CHUNK])
    return dict(Counter(decision.verdict.value for decision in decisions.values()))


def decisions_of(session: Session, worklist: Worklist) -> dict[int, Decision]:
    """What the readings of a worklist amount to at this moment, by image id; writes nothing."""
    rule = OutcomeRule(**worklist.rule)
    return {image: decide(readings, rule) for image, readings in _standing(session, worklist.id).items()}


def _standing(session: Session, worklist_id: int) -> dict[int, list[StandingReading]]:
    """Readings of candidates that were not taken back, by image id."""
    query = (
        select(WorklistItem.image_id, Reading.id, Reading.verdict, Reading.corrected_label, Reader.kind, class_asked())
        .select_from(Reading)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(WorklistItem.worklist_id == worklist_id, WorklistItem.purpose == Purpose.CANDIDATE, stands())
    )
    standing: dict[int, list[StandingReading]] = defaultdict(list)
    for image_id, reading_id, verdict, corrected, kind, asked in session.execute(query):
        assert verdict is not None
        label = None if corrected == asked else corrected
        standing[image_id].append(StandingReading(reading_id, verdict, label, kind is ReaderKind.PROXY))
    return standing


def stands() -> ColumnElement[bool]:
    """The condition on `Reading` that it is a verdict which nobody took back."""
    void = aliased(Reading)
    return and_(Reading.verdict.is_not(None), ~exists().where(void.voids_id == Reading.id))


def class_asked() -> ScalarSelect[str]:
    """The class that the image of a `WorklistItem` was asked to show; NULL for a real one."""
    return (
        select(func.min(Label.name))
        .join(ImageLabel, ImageLabel.label_id == Label.id)
        .where(ImageLabel.image_id == WorklistItem.image_id, ImageLabel.source == "request", ImageLabel.value >= 0.5)
        .scalar_subquery()
    )
