"""A head that is solved from sums: made, measured, and what no subtraction takes out of it."""

from pathlib import Path

import numpy as np
import torch

from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, evaluate_loss
from train.adaptation.fit import History
from train.adaptation.methods.implementation import SummedHead, find_implementation
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.seen import seen_by_run
from train.backbones.load import Backbone
from train.backbones.names import portable_name
from train.backbones.provenance import seen_by_backbone
from train.features.feature_cache import FeatureCache


def solve_head(
    folder: SnapshotFolder, config: AdaptationConfig, cache: FeatureCache, on_progress: OnProgress
) -> tuple[AdaptedModel, History]:
    """Solve for the head from sums, and measure it where a trained one is measured."""
    implementation = find_implementation(config.method)
    assert isinstance(implementation, SummedHead)
    name = portable_name(config.backbone, cache.backbone.directory)
    backbone = implementation.prepare(cache.backbone, config.method, name)
    head = implementation.solve(folder, cache, config, on_progress).to(backbone.device)
    measures = measure_head(head, folder, cache, list(head.facts["classes"]), config.batch_size, on_progress)
    return AdaptedModel(backbone, head), History([measures], 0, 0)


def measure_head(
    head: StandardizedHead,
    folder: SnapshotFolder,
    cache: FeatureCache,
    classes: list[str],
    batch_size: int,
    on_progress: OnProgress,
) -> dict[str, float]:
    """Measure a head that was solved on the validation images of a snapshot, at the step 0 of its history."""
    measures: dict[str, float] = {"step": 0.0}
    rows = folder.rows("validation")
    if rows and set(folder.classes) <= set(classes):
        features = torch.from_numpy(cache.of(folder, rows, on_progress))
        labels = np.array([classes.index(row.label) for row in rows], np.int64)
        examples = Examples(lambda chosen: features[chosen], labels, np.ones(len(rows)))
        measures |= evaluate_loss(head, examples, batch_size)
    return measures


def seen_elsewhere(folder: SnapshotFolder, config: AdaptationConfig, backbone: Backbone) -> dict[str, list[str]]:
    """What the run saw through its backbone, generators or the run it continues: no subtraction takes that out."""
    seen = seen_by_backbone(backbone.directory, config.backbone) | Seen.by_lineage(folder.lineage)
    earlier = config.method.earlier_run()
    if earlier:
        seen = seen | seen_by_run(Path(earlier), "saw_elsewhere")
    return {"subjects": sorted(seen.subjects), "pixel_sha256": sorted(seen.pixel_sha256)}
