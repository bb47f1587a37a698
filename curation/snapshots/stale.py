"""Tell whether a snapshot is still what its recipe gives.

A stale snapshot never changes. Lists, pages and trainings say that it is stale.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.provenance.withdrawn import affected_notes
from curation.queries import blocked_for_privacy
from curation.reading.outcomes import iterate_decisions
from curation.snapshots.gather import counted_worklists, outcomes_digest
from curation.snapshots.mix import MixRecipe
from curation.tables.images import BuildStatus, Image
from curation.tables.reading import OutcomeVerdict
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import AffectedKind


@dataclass(frozen=True, slots=True)
class SnapshotSummary:
    """One line of `rounds snapshot list`."""

    name: str
    digest: str
    status: str
    counts: dict[str, Any]
    readings: int
    stale: bool
    why_stale: tuple[str, ...]
    affected: str | None
    created_at: datetime


def list_snapshots(session: Session) -> list[SnapshotSummary]:
    """List every snapshot, newest last, with whether it is stale or affected by a withdrawal."""
    now: dict[tuple[str, ...], str] = {}
    affected = affected_notes(session, AffectedKind.SNAPSHOT)
    snapshots = session.scalars(select(Snapshot).order_by(Snapshot.id))
    return [_summary(session, snapshot, now, affected.get(snapshot.id)) for snapshot in snapshots]


def _summary(
    session: Session, snapshot: Snapshot, now: dict[tuple[str, ...], str], affected: str | None
) -> SnapshotSummary:
    why = tuple(why_stale(session, snapshot, now)) if snapshot.status is BuildStatus.READY else ()
    return SnapshotSummary(
        name=snapshot.name,
        digest=(snapshot.digest or "")[:12],
        status=snapshot.status.value if snapshot.status is BuildStatus.READY else "unfinished",
        counts={split: sum(labels.values()) for split, labels in snapshot.counts.items()},
        readings=len(snapshot.reading_ids),
        stale=bool(why),
        why_stale=why,
        affected=affected,
        created_at=snapshot.created_at,
    )


def why_stale(session: Session, snapshot: Snapshot, now: dict[tuple[str, ...], str] | None = None) -> list[str]:
    """List the reasons why the snapshot is not what its recipe gives today; none when it is.

    `now` keeps digests of outcomes between calls in one view of the database.
    """
    recipe = MixRecipe.model_validate(snapshot.recipe)
    reasons = []
    if recipe.needs_outcomes and _outcomes_changed(session, snapshot, recipe, {} if now is None else now):
        reasons.append("outcomes have changed since: readings were added or taken back")
    if count := _count_items(session, snapshot.id, SnapshotItem.image_id.in_(blocked_for_privacy())):
        reasons.append(f"{count} of its images are blocked as near copies of training images now")
    if count := _count_items(session, snapshot.id, Image.withdrawn_at.is_not(None)):
        reasons.append(f"{count} of its images were withdrawn")
    return reasons


def stale_line(name: str, why: list[str]) -> str:
    """Write the line that is printed wherever a stale snapshot is used."""
    return f"snapshot {name!r} is stale: {'; '.join(why)}. It stays as it is; build a new one to take the change in."


def _count_items(session: Session, snapshot_id: int, condition: Any) -> int:
    query = select(func.count()).select_from(SnapshotItem).join(Image, Image.id == SnapshotItem.image_id)
    return session.scalar(query.where(SnapshotItem.snapshot_id == snapshot_id, condition)) or 0


def _outcomes_changed(session: Session, snapshot: Snapshot, recipe: MixRecipe, now: dict[tuple[str, ...], str]) -> bool:
    if snapshot.outcomes_digest is None:
        return _readings_changed(session, snapshot, recipe)
    if recipe.worklists not in now:
        now[recipe.worklists] = outcomes_digest(session, recipe.worklists)
    return now[recipe.worklists] != snapshot.outcomes_digest


def _readings_changed(session: Session, snapshot: Snapshot, recipe: MixRecipe) -> bool:
    """Tell it for snapshots of the first release, which kept only the readings of what they took."""
    if recipe.synthetic != "approved":
        return False
    current = {
        reading
        for worklist in counted_worklists(session, recipe.worklists)
        for _, _, decision in iterate_decisions(session, worklist)
        if decision.verdict is OutcomeVerdict.APPROVED
        for reading in decision.reading_ids
    }
    frozen = set(snapshot.reading_ids)
    return not frozen <= current or (recipe.max_ratio is None and frozen != current)
