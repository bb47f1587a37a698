"""Predict with a run of a project: prepare as its training was, and find copies of training images."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.ingest.incoming import IncomingImage, Rejected
from curation.ingest.request import ImportRequest
from curation.ingest.sources.new_pictures import TrainedOn, preparing_of, read_new_pictures
from curation.near_copies.fingerprints import Floats
from curation.near_copies.of_training import are_like_training
from curation.progress import OnProgress
from curation.project import Project
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder
from curation.tables.training import Snapshot
from train.adaptation.records import find_run
from train.adaptation.run_folder import SavedRun, load_run, read_card
from train.fitting.device import choose_device
from train.prediction.files import probability_columns
from train.prediction.predict import PicturePrediction, predict_pictures


@dataclass(frozen=True, slots=True)
class RunOfProject:
    """A finished run of a project: its folder, its snapshot, and how its training images were prepared."""

    project: Project
    name: str
    directory: Path
    card: dict[str, Any]
    folder: SnapshotFolder
    prepared: ImportRequest

    @classmethod
    def find(cls, project: Project, name: str) -> "RunOfProject":
        """Find it by its name; raises NotFound where there is none, or it is not finished."""
        with project.database.read() as session:
            run = find_run(session, name)
            directory = project.root / run.directory
            card = read_card(directory)
            folder = SnapshotFolder.open(project.root / session.get_one(Snapshot, run.snapshot_id).directory)
            return cls(project, name, directory, card, folder, preparing_of(session, run.snapshot_id))

    def load(self) -> SavedRun:
        """Load its model."""
        return load_run(self.directory, choose_device())

    @property
    def trained_on(self) -> TrainedOn:
        """What its training images look like."""
        height, width, channels = self.card["shape"]
        return TrainedOn.of((height, width, channels, self.card["bits"]), self.folder.manifest)

    @property
    def affected(self) -> list[str]:
        """The withdrawals that reach it."""
        return sorted({*self.card.get("affected", ()), *Tombstones.read(self.directory).notes})

    def are_like_training(
        self, small: Sequence[Floats], digests: Sequence[str], report: OnProgress
    ) -> NDArray[np.bool_]:
        """Tell which pictures (N,) look like an image that the run was trained on, or are one.

        `small` is what `small_gray` gives of each, `digests` are those of their pixels.
        """
        purged = self.folder.tombstones.purged
        is_its_own = bool(self.card["n_images"])  # a head from a file of sums only chose by this snapshot
        trained = self.folder.rows("train") if is_its_own else []
        kept = [row for row in trained if f"train/{row.file_name}" not in purged]
        alike = are_like_training(self.project, [row.file_sha256 for row in kept], small, report)
        seen = Seen.of_entry(self.card["saw"]).pixel_sha256
        return alike | np.array([digest in seen for digest in digests], bool)


@dataclass(frozen=True, slots=True)
class PredictedPictures:
    """Predictions of new pictures in the order of their files, which are like training images, and what is left out."""

    predictions: list[PicturePrediction]
    like_training: NDArray[np.bool_]
    left_out: list[Rejected]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each picture."""
        return [
            {
                "file": item.file,
                "predicted": item.predicted,
                **probability_columns(item.probabilities),
                "like_training": bool(alike),
                "pixel_sha256": item.pixel_sha256,
            }
            for item, alike in zip(self.predictions, self.like_training, strict=True)
        ]


def predict_path(run: RunOfProject, path: Path, request: ImportRequest, report: OnProgress) -> PredictedPictures:
    """Predict the pictures of a file or folder; nothing of them is stored.

    Raises BadInput where no picture can be predicted, and what `read_new_pictures` and `load_run` raise.
    """
    pictures = read_new_pictures(path, request, run.trained_on)
    predictions, left_out = predict_all(run.load(), pictures, report)
    if not predictions:
        reasons = "; ".join(str(item) for item in left_out[:3])
        raise BadInput(f"no picture of {path} can be predicted, {len(left_out)} are left out: {reasons}.")
    small, digests = [item.small for item in predictions], [item.pixel_sha256 for item in predictions]
    return PredictedPictures(predictions, run.are_like_training(small, digests, report), left_out)


def predict_all(
    run: SavedRun,
    pictures: Iterable[IncomingImage | Rejected],
    report: OnProgress,
    check: Callable[[PicturePrediction], None] = lambda prediction: None,
) -> tuple[list[PicturePrediction], list[Rejected]]:
    """Predict every picture, and list what was left out; `check` sees each prediction as it is made."""
    predictions: list[PicturePrediction] = []
    left_out: list[Rejected] = []
    for item in predict_pictures(run, pictures):
        if isinstance(item, Rejected):
            left_out.append(item)
            continue
        check(item)
        predictions.append(item)
        report(len(predictions), 0, f"{len(left_out)} left out" if left_out else None)
    return predictions, left_out
