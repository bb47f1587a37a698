"""Measure towers on validation subjects: retrieval, classes by words, few-shot heads."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import LeakRefused
from curation.estimates import Estimate
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.run_folder import load_run
from train.backbones.load import Backbone
from train.backbones.names import backbone_location
from train.backbones.provenance import seen_by_backbone
from train.backbones.text_tower import explain_cut
from train.evaluation.evaluate import predict, select_held_out_rows
from train.evaluation.intervals import (
    choose_resampling_units,
    draw_bootstrap_weights,
    percentile_interval,
    seed_interval,
)
from train.evaluation.metrics import METRICS, metric_value
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device
from train.image_text.aligned_folder import ALIGNED, image_tower_of
from train.image_text.few_shot import HEADS, LabelledShots, draw_shots, zero_shot
from train.image_text.measure_request import ImageTextMeasureRequest
from train.image_text.pairs import Pairs
from train.image_text.prompts import check_templates
from train.image_text.retrieval import Recall, measure_retrieval
from train.image_text.two_towers import TwoTowers, load_two_towers
from train.image_text.vectors import vectors_of
from train.image_text.zero_shot import class_prototypes, probabilities_of

SPLIT = "validation"
MEASURES = ("auroc", "balanced_accuracy")
CONFIDENCE = 0.95
WORDS, PROBE = "words alone", "linear probe"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The validation rows, their classes, and the resamples of their subjects."""

    rows: list[SnapshotRow]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    weights: NDArray[np.float64]  # (n_bootstrap, N)

    @property
    def n_units(self) -> int:
        """How many subjects, or images where subjects are unknown."""
        return int(self.units.max()) + 1

    def estimate(self, measure: str, probabilities: NDArray[np.float64]) -> Estimate:
        """One measure with its interval over subjects."""
        resampled = METRICS[measure](probabilities, self.labels, self.weights)
        return percentile_interval(
            metric_value(measure, probabilities, self.labels), resampled, self.n_units, CONFIDENCE
        )

    def estimate_over_draws(self, measure: str, draws: list[NDArray[np.float64]]) -> Estimate:
        """The mean of a measure over draws of the few labelled images, with the variance between draws."""
        values = np.array([metric_value(measure, probabilities, self.labels) for probabilities in draws])
        resampled = np.mean([METRICS[measure](each, self.labels, self.weights) for each in draws], axis=0)
        interval = seed_interval(values, resampled, self.n_units, CONFIDENCE, (0.0, 1.0))
        return Estimate(interval.value, interval.low, interval.high, self.n_units, f"t over {len(draws)} draws")


def measure_two_towers(
    folder: SnapshotFolder, request: ImageTextMeasureRequest, on_progress: OnProgress
) -> dict[str, Any]:
    """Measure the model of a request on the validation images of `folder`.

    Raises BadInput for a model that nothing aligns, LeakRefused where it saw a validation subject or does not say what
    it saw and that is not allowed.
    """
    templates = check_templates(request.templates)
    towers = load_two_towers(backbone_location(request.model, folder.path), choose_device())
    rows = select_held_out_rows(folder, SPLIT)
    seen = check_seen(towers, request.model, rows, request.allow_unknown_provenance)
    resampled, units = choose_resampling_units(rows, folder.subjects)
    weights = draw_bootstrap_weights(units, request.n_bootstrap, request.seed)
    held_out = HeldOut(rows, folder.labels(rows), units, weights)
    features = FeatureCache(towers.image_tower) if towers.image_tower else None
    vectors = vectors_of(towers, folder, rows, on_progress, features)
    prototypes = class_prototypes(towers, folder.classes, templates)
    return {
        "model": {"name": towers.name, "digest": towers.digest},
        "snapshot": {"name": folder.name, "digest": folder.digest},
        "split": SPLIT,
        "request": request.model_dump(mode="json"),
        "n_images": len(rows),
        "resampled": resampled,
        "n_units": held_out.n_units,
        "unknown_provenance": list(seen.unknown),
        "public_web": list(seen.public_web),
        "notice": folder.notice,
        **_retrieval(folder, towers, held_out, vectors),
        "chance": {"auroc": 0.5, "balanced_accuracy": 1 / len(folder.classes)},
        "classification": [
            _row(WORDS, 0, held_out, probabilities_of(towers.logits(vectors, prototypes))),
            *_few_shot_rows(folder, towers, request, held_out, vectors, prototypes, features, on_progress),
            _probe_row(folder, towers, request, held_out, features, on_progress),
        ],
    }


def check_seen(towers: TwoTowers, given: str, rows: list[SnapshotRow], allow_unknown: bool) -> Seen:
    """Collect what a model saw; raises LeakRefused where it saw a held-out subject or does not say what it saw."""
    seen = seen_by_backbone(towers.directory, given)
    if seen.unknown and not allow_unknown:
        raise LeakRefused(
            f"{given!r} has no card.json that says what it saw, which may include held-out subjects. Pass "
            "--allow-unknown-provenance to use it all the same; the report will say so."
        )
    seen.refuse_leak(rows, SPLIT)
    return seen


def _row(head: str, shots: int | None, held_out: HeldOut, probabilities: NDArray[np.float64]) -> dict[str, Any]:
    estimates = {name: asdict(held_out.estimate(name, probabilities)) for name in MEASURES}
    return {"head": head, "shots": shots, **estimates}


def _retrieval(
    folder: SnapshotFolder, towers: TwoTowers, held_out: HeldOut, vectors: NDArray[np.float32]
) -> Mapping[str, Any]:
    """Measure retrieval on the validation images that have a caption; a snapshot without captions has none."""
    pairs = Pairs.of(folder, SPLIT, "captions")
    if len(pairs.captions) < 2:
        return {"retrieval": [], "captions": "no validation image has a caption of its own: retrieval is not measured"}
    has_caption = np.array([row.caption is not None for row in held_out.rows])
    recalls: list[Recall] = measure_retrieval(
        vectors[has_caption], towers.texts(pairs.captions), pairs.numbers, held_out.units[has_caption]
    )
    cut = explain_cut(towers.count_cut(pairs.captions), len(pairs.captions), towers.max_length)
    said = f"{len(pairs.captions)} different captions of {len(pairs.rows)} images"
    return {"retrieval": [asdict(recall) for recall in recalls], "captions": f"{said}; {cut}" if cut else said}


def _few_shot_rows(
    folder: SnapshotFolder,
    towers: TwoTowers,
    request: ImageTextMeasureRequest,
    held_out: HeldOut,
    vectors: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    features: FeatureCache | None,
    on_progress: OnProgress,
) -> list[dict[str, Any]]:
    """Measure each head at each number of labelled images a class, over several draws of them."""
    if not request.shots:
        return []
    train = sorted(folder.rows("train"), key=lambda row: (row.pixel_sha256, row.file_name))
    labels, train_vectors = folder.labels(train), vectors_of(towers, folder, train, on_progress, features)
    rows = []
    for shots in request.shots:
        draws = [draw_shots(labels, shots, request.seed + draw) for draw in range(request.draws)]
        supports = [LabelledShots(train_vectors[drawn], labels[drawn], prototypes, towers.scale) for drawn in draws]
        for name, fit in HEADS.items():
            if fit is not zero_shot:
                predicted = [probabilities_of(fit(support)(vectors)) for support in supports]
                estimates = {key: asdict(held_out.estimate_over_draws(key, predicted)) for key in MEASURES}
                rows.append({"head": name, "shots": shots, **estimates})
    return rows


def _probe_row(
    folder: SnapshotFolder,
    towers: TwoTowers,
    request: ImageTextMeasureRequest,
    held_out: HeldOut,
    features: FeatureCache | None,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Measure the linear probe of `rounds train` on the image tower; its stopping point is chosen on these images."""
    given = image_tower_of(towers.directory) if (towers.directory / ALIGNED).is_file() else str(towers.directory)
    config = AdaptationConfig.checked(
        backbone=given, seed=request.seed, allow_unknown_provenance=request.allow_unknown_provenance
    )
    cache = features or FeatureCache(Backbone.load(given, choose_device()))
    with tempfile.TemporaryDirectory() as directory:
        run = adapt(folder, config, Path(directory) / "probe", on_progress, cache, allow_affected=True)
        predictions = predict(load_run(run.directory, choose_device(), cache.backbone), folder, SPLIT, cache)
    return _row(PROBE, None, held_out, predictions.probabilities)
