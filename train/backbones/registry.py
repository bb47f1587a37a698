"""Backbones of a project: rows of what was added, found by name. Torch-free."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import Conflict, NotFound
from curation.queries import unused_number
from curation.tables.training import AddedBackbone
from train.backbones.card import summarize_card
from train.backbones.names import FOLDER


def register_backbone(session: Session, chain: Chain, now: datetime, name: str, card: dict[str, Any]) -> AddedBackbone:
    """Add the row of a backbone whose folder is whole, and its event; raises Conflict for a name with other files."""
    existing = find_by_name(session, name)
    if existing is not None:
        if existing.digest != card["digest"]:
            raise Conflict(f"backbone {name!r} exists with other files. Choose another --name.")
        return existing
    row = AddedBackbone(
        id=unused_number(session, AddedBackbone, "backbone"),
        name=name,
        kind=card["model"],
        directory=f"{FOLDER}/{name}",
        digest=card["digest"],
        card=summarize_card(card),
        created_at=now,
    )
    session.add(row)
    session.flush()
    chain.record_row(session, "backbone.added", row, {"digest": card["digest"], "source": card["source"]}, now)
    return row


def find_backbone(session: Session, name: str) -> AddedBackbone:
    """Find the backbone called `name`; raises NotFound."""
    row = find_by_name(session, name)
    if row is None:
        known = ", ".join(row.name for row in list_backbones(session)) or "none yet"
        raise NotFound(f"no backbone named {name!r}; there are: {known}. `rounds backbone add dinov2-small` adds one.")
    return row


def find_by_name(session: Session, name: str) -> AddedBackbone | None:
    """Find the backbone called `name`, if there is one."""
    return session.scalars(select(AddedBackbone).where(AddedBackbone.name == name)).one_or_none()


def list_backbones(session: Session) -> Sequence[AddedBackbone]:
    """List every backbone that was added, oldest first."""
    return session.scalars(select(AddedBackbone).order_by(AddedBackbone.id)).all()
