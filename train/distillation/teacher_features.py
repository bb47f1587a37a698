"""The features of a teacher, computed once and kept in parts, so that a killed fit continues."""

from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curation.errors import BadInput, Diverged
from curation.progress import OnProgress
from train.backbones.load import Backbone
from train.fitting.kept_array import read_kept_array, write_kept_array
from train.pretraining.objectives.feature_distillation import Features, resize_grid, summarize

PART = 256  # images of one file
BATCH = 16


@dataclass(frozen=True, slots=True)
class TeacherFeatures:
    """The features of N images: (N, S) of the whole image, (N, T, D) of the places of the student's grid; float16."""

    whole: NDArray[np.float16]
    patches: NDArray[np.float16]

    def of(self, chosen: Any) -> Features:
        """Give the features of the chosen images in float32."""
        return Features(
            torch.from_numpy(self.whole[chosen].astype(np.float32)),
            torch.from_numpy(self.patches[chosen].astype(np.float32)),
        )


@dataclass(frozen=True, slots=True)
class Standard:
    """Mean and deviation of each number of a feature over the fitted images; the patches share theirs."""

    means: Features
    deviations: Features

    @classmethod
    def over(cls, features: TeacherFeatures) -> Self:
        """Measure them; a number that does not vary has deviation 1, and so asks nothing of the student."""
        wholes = features.whole.astype(np.float64)
        patches = features.patches
        count = patches.shape[0] * patches.shape[1]
        mean = patches.sum(axis=(0, 1), dtype=np.float64) / count
        square = sum(np.square(image.astype(np.float64) - mean).sum(axis=0) for image in patches) / count
        return cls(
            Features(_float32(wholes.mean(axis=0)), _float32(mean)),
            Features(_deviation(wholes.std(axis=0)), _deviation(np.sqrt(square))),
        )

    def __call__(self, features: Features) -> Features:
        """Standardise features."""
        return Features(
            (features.whole - self.means.whole) / self.deviations.whole,
            (features.patches - self.means.patches) / self.deviations.patches,
        )


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def _deviation(values: NDArray[np.float64]) -> Tensor:
    return _float32(np.where(values > 1e-6, values, 1.0))


def compute_teacher_features(
    teacher: Backbone, pixels: NDArray[Any], grid: int, directory: Path, images: str, on_progress: OnProgress
) -> TeacherFeatures:
    """Compute the teacher's features of `pixels` (N, H, W, C), brought to a square of `grid` places a side.

    Every PART images a file is written into `directory`; what is there already is read. `images` names the images.
    Raises BadInput where the teacher's patches are no square, Diverged where a feature is no finite number.
    """
    belongs_to = f"{teacher.digest} on {images} at {grid}"
    wholes, patches = [], []
    for start in range(0, len(pixels), PART):
        parts = _part_files(directory, start)
        kept = [read_kept_array(path, belongs_to) for path in parts]
        if any(array is None for array in kept):
            kept = list(_compute_part(teacher, pixels[start : start + PART], grid))
            directory.mkdir(parents=True, exist_ok=True)
            for path, array in zip(parts, kept, strict=True):
                write_kept_array(path, array, belongs_to)
        wholes.append(kept[0])
        patches.append(kept[1])
        on_progress(min(start + PART, len(pixels)), len(pixels), "features of the teacher")
    return TeacherFeatures(np.concatenate(wholes), np.concatenate(patches))


def count_missing(count: int, directory: Path) -> int:
    """Count the images, of `count`, whose features are not kept in `directory` yet."""
    starts = [start for start in range(0, count, PART) if not _part_files(directory, start)[-1].is_file()]
    return sum(min(PART, count - start) for start in starts)


def _part_files(directory: Path, start: int) -> list[Path]:
    """The two files of the images from `start` on, in the order in which they are written."""
    return [directory / f"{kind}-{start:07d}.safetensors" for kind in ("whole", "patches")]


@torch.inference_mode()
def _compute_part(
    teacher: Backbone, pixels: NDArray[Any], grid: int
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    wholes, patches = [], []
    for start in range(0, len(pixels), BATCH):
        inputs = teacher.preprocessing(pixels[start : start + BATCH]).to(teacher.device)
        tokens = teacher.tokens(inputs)
        _check_square(tokens.patches.shape[1])
        wholes.append(summarize(tokens))
        patches.append(resize_grid(tokens.patches, grid * grid))
    both = torch.cat(wholes).cpu().numpy().astype(np.float16), torch.cat(patches).cpu().numpy().astype(np.float16)
    if not all(np.isfinite(array).all() for array in both):
        raise Diverged(
            f"teacher {teacher.name!r} gives features that are NaN or infinite, or beyond what 16 bits hold, so "
            "nothing can be learnt from it. Choose another."
        )
    return both


def _check_square(count: int) -> None:
    """Raise BadInput where `count` patches form no square."""
    if isqrt(count) ** 2 != count:
        raise BadInput(
            f"expected a teacher whose patches form a square, got {count} of them. Give the recipe teacher_input_size,"
            " which makes every image a square."
        )
