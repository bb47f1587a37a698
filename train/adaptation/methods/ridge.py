"""Ridge regression on frozen features, solved in closed form from sums that stay with the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from curation.errors import Conflict
from curation.progress import OnProgress
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.config import AdaptationConfig
from train.adaptation.methods.implementation import SummedHead
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.rows.heads import Ridge
from train.adaptation.rows.row import MethodConfig
from train.adaptation.summed_runs import describe_sums, prior_of, read_summed_card, refuse_other_backbone
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.rows import Rows, SummedImage
from train.sums.solve import Head


class RidgeHead(StandardizedHead):
    """A head that was solved, not trained, with the sums that it was solved from."""

    def __init__(self, kept: KeptSums, solved: Head) -> None:
        width, n_classes = solved.weight.shape[1], len(solved.bias)
        super().__init__(torch.zeros(width), torch.ones(width), n_classes)
        self.kept, self.n_constant = kept, solved.constant
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(solved.weight))
            self.linear.bias.copy_(torch.from_numpy(solved.bias))


class SolvedFromSums(SummedHead):
    """A head that is solved from the sums that stay with the run."""

    def check(self, backbone: Backbone, method: MethodConfig) -> None:
        """Accept every encoder; a run that is continued must have sums of the same one."""
        settings = cast(Ridge, method)
        if settings.pooled:
            raise Conflict("this run is made from a file of sums: repeat `rounds sums solve`, which takes no time.")
        if settings.continues:
            refuse_other_backbone(read_summed_card(Path(settings.continues)), backbone.digest)

    def solve(
        self, folder: SnapshotFolder, cache: FeatureCache, config: AdaptationConfig, on_progress: OnProgress
    ) -> StandardizedHead:
        """Sum the features of the snapshot, add them to those of the run that is continued, and solve."""
        method, class_balanced = cast(Ridge, config.method), config.class_balanced
        rows = read_rows(folder, cache, on_progress)
        known, facts = KeptSums.over(rows, folder.classes), dict[str, Any]()
        if method.continues:
            earlier, directory = KeptSums.read(Path(method.continues) / KEPT_SUMS), Path(method.continues)
            known, skipped = earlier.plus(rows, folder.classes)
            if set(known.train.classes) == set(folder.classes):
                known = known.with_classes(folder.classes)
            facts = {"continues": {"run": directory.name, "digest": read_summed_card(directory)["digest"]}}
            facts["continues"] |= {"images_already_in": skipped, "images_added": len(rows) - skipped}
        by_class = folder.manifest.get("recipe", {}).get("weights", {}).get("classes", {}) if class_balanced else None
        solved, chosen_by = known.solve(prior_of(known, by_class), method.penalty)
        head = RidgeHead(known, solved)
        facts |= {"classes": list(known.train.classes), "class_weights": by_class}
        head.facts = facts | describe_sums(known, solved, chosen_by)
        return head

    def save(self, model: AdaptedModel, directory: Path, card: dict[str, Any]) -> None:
        """Write the sums and their rows; the encoder is the backbone's."""
        cast(RidgeHead, model.head).kept.write(directory / KEPT_SUMS)


def read_rows(
    folder: SnapshotFolder,
    cache: FeatureCache,
    on_progress: OnProgress,
    splits: Sequence[str] = ("train", "validation"),
) -> Rows:
    """Read the features of the images of a snapshot in some splits."""
    chosen = [row for split in splits for row in folder.rows(split)]
    images = tuple(SummedImage(row.split, row.label, row.subject, row.pixel_sha256, row.origin) for row in chosen)
    weights = np.array([row.weight for row in chosen], dtype=np.float64)
    return Rows(images, cache.of(folder, chosen, on_progress), weights)


IMPLEMENTATION = SolvedFromSums()
