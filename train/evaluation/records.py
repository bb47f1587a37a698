"""Rows and events of evaluations; each opening of a held-out split is an event."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.tables.images import Split
from curation.tables.operations import Event
from curation.tables.training import Evaluation, Run


def record_opening(
    session: Session, chain: Chain, now: datetime, reader_kind: str, row_id: int, split: Split, **more: int
) -> None:
    """Record that a held-out split is about to be read.

    `reader_kind` is `run` or `study`; a bake-off, which has no row, reads as the `snapshot` that it is on.
    `more` names the snapshot where it is not the reader's own.
    """
    kind = "test.opened" if split == Split.TEST else "validation.read"
    chain.record(session, kind, {reader_kind: row_id, **more}, now)


def count_openings(session: Session, but: dict[str, Any] | None = None) -> int:
    """Count how often runs and studies opened the test split of this project, without those of `but`, as recorded."""
    payloads = session.scalars(select(Event.payload).where(Event.kind == "test.opened"))
    return sum(payload != but for payload in payloads)


def record_evaluation(
    session: Session, chain: Chain, now: datetime, run: Run, split: Split, metrics: dict[str, Any]
) -> None:
    """Keep the metrics of one reading of a held-out split, and record them."""
    evaluation = Evaluation(run_id=run.id, split=split, metrics=metrics, created_at=now)
    session.add(evaluation)
    chain.record_row(session, "run.evaluated", evaluation, {"run": run.id}, now)
