"""What a model saw: the snapshot it was trained on, and every ancestor of that and of its backbone."""

from curation.provenance.seen import Seen as Seen
from curation.snapshots.folder import SnapshotFolder


def seen_by_training(folder: SnapshotFolder, backbone: Seen) -> Seen:
    """Everything that weights trained on `folder` descend from."""
    return Seen.by_rows(folder.rows("train")) | Seen.by_lineage(folder.lineage) | backbone
