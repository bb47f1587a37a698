"""Which withdrawals stand behind a training: those that reach its snapshots, and those its backbone's card shows."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from curation.provenance.seen import Seen
from curation.provenance.withdrawn import affected_note, withdrawal_note, withdrawals_among
from curation.tables.training import Snapshot
from curation.tables.withdrawals import AffectedKind
from train.adaptation.config import AdaptationConfig


def withdrawals_behind(session: Session, snapshots: Sequence[Snapshot], config: AdaptationConfig) -> list[str]:
    """Lines as in `rounds snapshot list`; a backbone by id, or without a card, says nothing here."""
    marked = (affected_note(session, AffectedKind.SNAPSHOT, snapshot.id) for snapshot in snapshots)
    found = {line for line in marked if line}
    directory = Path(config.backbone)
    if (directory / "card.json").is_file():
        seen = Seen.by_backbone(directory, config.backbone)
        behind = withdrawals_among(session, seen.subjects, seen.pixel_sha256)
        found |= {f"{withdrawal_note(behind)}, through the backbone {config.backbone}"} if behind else set()
    return sorted(found)
