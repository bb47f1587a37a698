"""Evaluate a run on held-out real subjects: metrics with intervals over subjects.

Reading the test split is an explicit argument; the caller records it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from curation.errors import BadInput, Diverged
from curation.estimates import CONFIDENCE, Estimate, as_saved
from curation.progress import silent
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.examples import Examples, predict_logits
from train.adaptation.model_card import write_model_card
from train.adaptation.run_folder import SavedRun, load_run
from train.evaluation.measures import Predictions, measure, measure_others, write_predictions
from train.evaluation.near_copies import MetricsWithoutNearCopies, are_near_copies
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device

Split = Literal["validation", "test"]
BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """Metrics of one run on one split; `resampled` says whether intervals are over subjects or over images.

    `near_copies` counts the images that look like a training image of another subject (None: they were not searched),
    and where there are any, `without_near_copies` has the metrics of the others.
    """

    run: str
    snapshot: str
    snapshot_digest: str
    split: str
    classes: list[str]
    metrics: dict[str, Estimate]
    n_images: int
    n_units: int
    resampled: str
    n_bootstrap: int
    confidence: float
    unknown_provenance: list[str]
    public_web: list[str]
    notice: str | None
    affected: list[str]
    near_copies: int | None
    without_near_copies: MetricsWithoutNearCopies | None

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file or a database row."""
        return as_saved(self)


def select_held_out_rows(folder: SnapshotFolder, split: str) -> list[SnapshotRow]:
    """Select the rows of a held-out split, sorted by image; raises BadInput unless all are real, of every class."""
    if split not in ("validation", "test"):
        raise BadInput(f"expected the split validation or test, got {split!r}.")
    rows = sorted(folder.rows(split), key=lambda row: (row.pixel_sha256, row.file_name))
    if any(row.origin != "real" for row in rows):
        raise BadInput(
            f"expected real images in the {split} split of {folder.name!r}, got images that are not real. Evaluate on a"
            " snapshot whose held-out images are real."
        )
    missing = sorted(set(folder.classes) - {row.label for row in rows})
    if missing:
        raise BadInput(
            f"the {split} split of {folder.name!r} has no image of {', '.join(missing)}. Import more subjects and build"
            " the snapshot again."
        )
    return rows


def check_classes(card: Mapping[str, Any], folder: SnapshotFolder) -> None:
    """Raise BadInput where a snapshot has other classes than the run of `card`."""
    if folder.classes != card["classes"]:
        raise BadInput(
            f"the run knows the classes {', '.join(card['classes'])}; the snapshot {folder.name!r} has"
            f" {', '.join(folder.classes)}. Evaluate it on a snapshot with the same classes."
        )


def predict(run: SavedRun, folder: SnapshotFolder, split: str, features: FeatureCache | None = None) -> Predictions:
    """Predict class probabilities on a held-out split.

    Raises LeakRefused when the run saw one of its subjects, Diverged when a logit is no finite number.
    """
    check_classes(run.card, folder)
    rows = select_held_out_rows(folder, split)
    Seen.of_entry(run.card["saw"]).refuse_leak(rows, split)
    labels, weights = folder.labels(rows), np.ones(len(rows))
    if features is not None and run.config.method.row.frozen_encoder:
        cached = torch.from_numpy(features.of(folder, rows, silent))
        model, examples = run.model.head, Examples(lambda chosen: cached[chosen], labels, weights)
    else:
        pixels, preprocessing = folder.pixels(rows), run.model.backbone.preprocessing
        model, examples = run.model, Examples(lambda chosen: preprocessing(pixels[chosen]), labels, weights)
    logits = predict_logits(model, examples, BATCH_SIZE)
    unusable = int((~torch.isfinite(logits)).any(dim=1).sum())
    if unusable:
        raise Diverged(
            f"the run in {run.directory} gives logits that are no finite numbers for {unusable} of {len(rows)} images, "
            "so nothing can be measured. Train it again with a lower --learning-rate."
        )
    return Predictions(rows, labels, logits.double().softmax(dim=1).numpy())


def evaluate_run(
    run_dir: Path,
    folder: SnapshotFolder,
    split: Split,
    n_bootstrap: int,
    seed: int,
    feature_directory: Path | None = None,
) -> EvaluationResult:
    """Measure the run in `run_dir` on `split`, with percentile intervals over resampled subjects.

    Writes them to `evaluation-SPLIT.json` in the run's folder, and a row for each image to `predictions-SPLIT.parquet`
    beside it. Where subjects are unknown, images are resampled and `resampled` says so. Small-sample AUROC intervals of
    this kind cover about 90 % where they say 95 %.
    `affected` names the withdrawals that reach the run or the snapshot.
    """
    run = load_run(run_dir, choose_device())
    predictions = predict(run, folder, split, FeatureCache(run.model.backbone, feature_directory))
    resampled, n_units, metrics = measure(predictions, folder.subjects, n_bootstrap, seed)
    copies = are_near_copies([folder], predictions.rows)
    affected = sorted({*run.card.get("affected", ()), *Tombstones.read(run_dir).notes, *folder.affected})
    evaluation = EvaluationResult(
        run=run_dir.name,
        snapshot=folder.name,
        snapshot_digest=folder.digest,
        split=split,
        classes=folder.classes,
        metrics=metrics,
        n_images=len(predictions.rows),
        n_units=n_units,
        resampled=resampled,
        n_bootstrap=n_bootstrap,
        confidence=CONFIDENCE,
        unknown_provenance=list(run.card["saw"]["unknown"]),
        public_web=list(run.card["saw"].get("public_web", ())),
        notice=folder.notice,
        affected=affected,
        near_copies=None if copies is None else int(copies.sum()),
        without_near_copies=measure_others(predictions, copies, folder.classes, folder.subjects, n_bootstrap, seed),
    )
    facts = {"run": run_dir.name, "digest": run.card["digest"], "snapshot": folder.name, "split": split}
    write_predictions(run_dir / f"predictions-{split}.parquet", predictions, folder.classes, copies, facts)
    (run_dir / f"evaluation-{split}.json").write_text(json.dumps(evaluation.as_json(), indent=1) + "\n")
    write_model_card(run_dir, run.card)
    return evaluation
