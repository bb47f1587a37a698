"""What a training sees: the subjects and pixels behind its weights, and the withdrawals that reach it."""

import json
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from curation.provenance.seen import Seen
from curation.provenance.withdrawn import affected_note, withdrawal_note, withdrawals_among
from curation.snapshots.folder import SnapshotFolder
from curation.tables.training import Snapshot
from curation.tables.withdrawals import AffectedKind
from train.adaptation.config import AdaptationConfig
from train.backbones.names import backbone_location


def collect_seen(folder: SnapshotFolder, backbone: Seen) -> Seen:
    """Collect everything that weights trained on `folder` descend from."""
    return Seen.by_rows(folder.rows("train")) | Seen.by_lineage(folder.lineage) | backbone


def seen_by_run(directory: Path, entry: str = "saw") -> Seen:
    """Read what the weights of a finished run saw from an entry of its card."""
    saw = json.loads((directory / "card.json").read_text())[entry]
    return Seen.of_entry(saw)


def find_withdrawals_behind(
    session: Session, snapshots: Sequence[Snapshot], config: AdaptationConfig, near: Path
) -> list[str]:
    """Describe the withdrawals that reach the snapshots, the backbone or the run that is continued.

    A backbone without a card adds none.
    """
    of_snapshots = (affected_note(session, AffectedKind.SNAPSHOT, snapshot.id) for snapshot in snapshots)
    notes = {note for note in of_snapshots if note}
    directory = Path(backbone_location(config.backbone, near))
    if (directory / "card.json").is_file():
        seen = Seen.by_backbone(directory, config.backbone)
        withdrawals = withdrawals_among(session, seen.subjects, seen.pixel_sha256)
        if withdrawals:
            notes.add(f"{withdrawal_note(withdrawals)}, through the backbone {config.backbone}")
    earlier = config.method.earlier_run()
    if earlier:
        before = seen_by_run(Path(earlier))
        withdrawals = withdrawals_among(session, before.subjects, before.pixel_sha256)
        if withdrawals:
            notes.add(f"{withdrawal_note(withdrawals)}, through the run {Path(earlier).name}")
    return sorted(notes)
