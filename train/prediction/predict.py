"""Predict the classes of pictures that stay outside the project."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curation.errors import Diverged
from curation.image_store import pixel_sha256
from curation.ingest.incoming import IncomingImage, Rejected
from curation.near_copies.fingerprints import Floats, small_gray
from curation.queries import chunks
from train.adaptation.examples import Examples, predict_logits
from train.adaptation.run_folder import SavedRun

AT_ONCE = 64
NOT_FOR_DIAGNOSIS = (
    "NOT FOR DIAGNOSIS. A model of a research project made these predictions; nobody has approved it for patients."
)


@dataclass(frozen=True, slots=True)
class PicturePrediction:
    """The class probabilities of one picture, with what recognises it."""

    file: str
    pixel_sha256: str
    probabilities: dict[str, float]
    labels: dict[str, float]  # those that its source gives it
    subject: str | None
    small: Floats  # (1, 32, 32): what its fingerprint is of

    @property
    def predicted(self) -> str:
        """The class with the highest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def predict_pictures(
    run: SavedRun, pictures: Iterable[IncomingImage | Rejected]
) -> Iterator[PicturePrediction | Rejected]:
    """Yield a prediction of each picture and whatever was left out, a batch of pictures in memory at a time.

    Raises Diverged when a logit is no finite number.
    """
    for portion in chunks(pictures, AT_ONCE):
        yield from (item for item in portion if isinstance(item, Rejected))
        images = [item for item in portion if isinstance(item, IncomingImage)]
        if not images:
            continue
        for image, row in zip(images, _probabilities(run, images), strict=True):
            labels = {image.labels: 1.0} if isinstance(image.labels, str) else dict(image.labels)
            yield PicturePrediction(
                image.source_file,
                pixel_sha256(image.pixels),
                dict(zip(run.card["classes"], row.tolist(), strict=True)),
                labels,
                image.subject_key,
                small_gray(image.pixels[None]),
            )


def _probabilities(run: SavedRun, images: list[IncomingImage]) -> NDArray[np.float64]:
    """(N, n_classes) of images of one shape."""
    pixels: Any = np.stack([image.pixels for image in images])
    preprocessing = run.model.backbone.preprocessing
    nothing = np.zeros(len(images), np.int64)
    examples = Examples(lambda chosen: preprocessing(pixels[chosen]), nothing, np.ones(len(images)))
    logits = predict_logits(run.model, examples, AT_ONCE)
    if not bool(torch.isfinite(logits).all()):
        raise Diverged(
            f"the run in {run.directory} gives logits that are no finite numbers, so nothing can be predicted. Train "
            "it again with a lower --learning-rate."
        )
    probabilities: NDArray[np.float64] = logits.double().softmax(dim=1).numpy()
    return probabilities
