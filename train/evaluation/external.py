"""Evaluate a run on a set that is not its own: another snapshot, or labelled files."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.estimates import CONFIDENCE, Estimate, as_saved
from curation.ingest.incoming import IncomingImage, Rejected
from curation.near_copies.fingerprints import Floats, small_gray
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.queries import chunks
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.model_card import write_model_card
from train.adaptation.run_folder import SavedRun
from train.evaluation.evaluate import check_classes, predict
from train.evaluation.measures import Predictions, measure, measure_others, write_predictions
from train.evaluation.near_copies import MetricsWithoutNearCopies
from train.prediction.of_run import RunOfProject, predict_all
from train.prediction.predict import PicturePrediction

EXTERNAL = "external"
AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ExternalSet:
    """A set that a run is measured on: a split of a snapshot, or files; `digest` covers its content."""

    name: str
    kind: str  # `snapshot` or `files`
    digest: str
    split: str  # of a snapshot; `external` for files
    subjects: str  # `known` or `unknown`
    notice: str | None = None

    @property
    def stem(self) -> str:
        """What the files of its evaluation are called."""
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-.")[:60]
        split = f"-{self.split}" if self.kind == "snapshot" else ""
        return f"on-{slug}{split}-{self.digest[:8]}"


@dataclass(frozen=True, slots=True)
class ExternalEvaluation:
    """Metrics of one run on an external set; never those of its own test subjects.

    `near_copies` counts the images that look like a training image of the run, and where there are any,
    `without_near_copies` has the metrics of the others. `left_out` counts files by the reason why.
    """

    run: str
    on: ExternalSet
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
    near_copies: int
    without_near_copies: MetricsWithoutNearCopies | None
    left_out: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return as_saved(self)


@dataclass(frozen=True, slots=True)
class PredictedSet:
    """Predictions of an external set, what fingerprints of its images are of, and the files that were left out."""

    predictions: Predictions
    small: list[Floats]
    left_out: list[Rejected]


def check_snapshot(card: Mapping[str, Any], folder: SnapshotFolder) -> None:
    """Raise BadInput where a snapshot has other classes, or images of another shape, than the run of `card`."""
    check_classes(card, folder)
    expected, got = (*card["shape"], card["bits"]), (*folder.shape, folder.bits)
    if tuple(expected) != tuple(got):
        raise BadInput(
            f"expected images of {_shape(expected)} as the run was trained on, got {_shape(got)} in snapshot "
            f"{folder.name!r}. Import them with --size, --gray or --window so that they are alike."
        )


def predict_snapshot(run: SavedRun, folder: SnapshotFolder, split: str) -> PredictedSet:
    """Predict the held-out images of another snapshot."""
    predictions = predict(run, folder, split)
    portions = chunks(predictions.rows, AT_ONCE)
    small = [small_gray(image[None]) for rows in portions for image in folder.pixels(rows)]
    return PredictedSet(predictions, small, [])


def _shape(shape: Iterable[int]) -> str:
    height, width, channels, bits = shape
    return f"{height}x{width} {'gray' if channels == 1 else 'RGB'}, {bits} bit"


def predict_files(
    run: SavedRun,
    pictures: Iterable[IncomingImage | Rejected],
    subject_of: Callable[[str], str],
    report: OnProgress,
) -> PredictedSet:
    """Predict labelled pictures; `subject_of` gives the key that the project has for a patient id.

    Raises BadInput for a label that the run does not know and where a class has no picture, LeakRefused when the run
    saw one of the subjects or pictures.
    """
    classes: list[str] = run.card["classes"]

    def check(item: PicturePrediction) -> None:
        foreign = sorted(set(_shown(item)) - set(classes))
        if foreign:
            raise BadInput(
                f"{item.file} has the label {', '.join(foreign)}, and the run knows {', '.join(classes)}. Give the set "
                "the labels of the run: rename its folders, or name another column with --label-column."
            )

    made, left_out = predict_all(run, pictures, report, check)
    for item in (item for item in made if len(_shown(item)) != 1):
        count = ", ".join(_shown(item)) or "none"
        left_out.append(Rejected(item.file, f"expected one label of {', '.join(classes)}, got {count}"))
    made = [item for item in made if len(_shown(item)) == 1]
    missing = sorted(set(classes) - {_shown(item)[0] for item in made})
    if missing:
        raise BadInput(
            f"the set has no picture of {', '.join(missing)} that can be used: expected some of every class of the "
            f"run, {', '.join(classes)}; {len(left_out)} files were left out. Add pictures of them."
        )
    rows = [_row(item, subject_of) for item in made]
    saw = run.card["saw"]
    Seen(frozenset(saw["subjects"]), frozenset()).refuse_leak(rows, EXTERNAL)
    labels = np.array([classes.index(row.label) for row in rows], np.int64)
    probabilities = np.array([[item.probabilities[name] for name in classes] for item in made])
    return PredictedSet(Predictions(rows, labels, probabilities), [item.small for item in made], left_out)


def _shown(item: PicturePrediction) -> list[str]:
    return [name for name, value in item.labels.items() if value >= 0.5]


def _row(item: PicturePrediction, subject_of: Callable[[str], str]) -> SnapshotRow:
    subject = None if item.subject is None else subject_of(item.subject)
    return SnapshotRow(
        item.file, _shown(item)[0], subject, "real", 1.0, item.pixel_sha256, "", EXTERNAL, "external set"
    )


def evaluate_external(
    run: RunOfProject, on: ExternalSet, predicted: PredictedSet, n_bootstrap: int, seed: int, report: OnProgress
) -> ExternalEvaluation:
    """Measure the predictions, and write the evaluation and a row for each image into the run's folder."""
    predictions = predicted.predictions
    digests = [row.pixel_sha256 for row in predictions.rows]
    copies: NDArray[np.bool_] = run.are_like_training(predicted.small, digests, report)
    classes: list[str] = run.card["classes"]
    resampled, n_units, metrics = measure(predictions, on.subjects, n_bootstrap, seed)
    reasons = [item.reason for item in predicted.left_out]
    evaluation = ExternalEvaluation(
        run=run.name,
        on=on,
        split=EXTERNAL,
        classes=classes,
        metrics=metrics,
        n_images=len(predictions.rows),
        n_units=n_units,
        resampled=resampled,
        n_bootstrap=n_bootstrap,
        confidence=CONFIDENCE,
        unknown_provenance=list(run.card["saw"]["unknown"]),
        public_web=list(run.card["saw"].get("public_web", ())),
        notice=" ".join(sorted({*filter(None, [on.notice, run.card["notice"]])})) or None,
        affected=run.affected,
        near_copies=int(copies.sum()),
        without_near_copies=measure_others(predictions, copies, classes, on.subjects, n_bootstrap, seed),
        left_out={reason: reasons.count(reason) for reason in sorted(set(reasons))},
    )
    facts = {"run": run.name, "digest": run.card["digest"], "on": on.name, "split": on.split, "set": on.digest}
    write_predictions(run.directory / f"predictions-{on.stem}.parquet", predictions, classes, copies, facts)
    path: Path = run.directory / f"evaluation-{on.stem}.json"
    path.write_text(json.dumps(evaluation.as_json(), indent=1) + "\n")
    write_model_card(run.directory, run.card)
    return evaluation
