"""Withdrawals of subjects that a model saw, found by its card. Torch-free."""

from pathlib import Path

from sqlalchemy.orm import Session

from curation.provenance.seen import Seen
from curation.provenance.withdrawn import withdrawal_note, withdrawals_among


def withdrawals_behind(session: Session, directory: Path, name: str) -> list[str]:
    """Describe the withdrawals that reach the model in `directory`; one without a card adds none."""
    if not (directory / "card.json").is_file():
        return []
    seen = Seen.by_backbone(directory, name)
    withdrawals = withdrawals_among(session, seen.subjects, seen.pixel_sha256)
    return [f"{withdrawal_note(withdrawals)}, through {name}"] if withdrawals else []
