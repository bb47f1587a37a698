"""Feature distillation: learn the class and patch features of another backbone.

Class token, mean of the patches, and each patch: standardised by the teacher's mean and deviation, compared by smooth
L1. The same distance to the backbone that a fit starts from anchors any other objective.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.backbones.load import Backbone
from train.backbones.preprocessing import Preprocessing
from train.pretraining.batch import TrainingBatch
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import FeatureDistillation as Config
from train.pretraining.tokens import Tokens, read_tokens
from train.pretraining.trained_encoder import TrainedEncoder

SMALLEST_DEVIATION = 1e-4


class Features(NamedTuple):
    """What a network says of images: one vector of the whole, and one of each place of a square grid."""

    whole: Tensor  # (B, S)
    patches: Tensor  # (B, T, D), rows of the image one after the other


class Standardization(nn.Module):
    """Brings features (..., D) to mean 0 and deviation 1 of a sample."""

    mean: Tensor
    std: Tensor

    def __init__(self, sample: Tensor) -> None:
        super().__init__()
        flat = sample.flatten(0, -2)
        self.register_buffer("mean", flat.mean(dim=0))
        self.register_buffer("std", flat.std(dim=0).clamp(min=SMALLEST_DEVIATION))

    def forward(self, features: Tensor) -> Tensor:
        """Subtract the mean and divide by the deviation."""
        return (features - self.mean) / self.std


class FeatureTarget(nn.Module):
    """A frozen teacher, and the distance of a student's features to its standardised ones."""

    def __init__(self, teacher: Backbone, student: TrainedEncoder, sample: Tensor) -> None:
        super().__init__()
        self.teacher, self.model = teacher, teacher.model.requires_grad_(False).eval()
        self.input = student.backbone.preprocessing
        with torch.no_grad():
            tokens = self.teacher_tokens(sample.to(teacher.device))
        summary = summarize(tokens)
        self.standardize_summary, self.standardize_patches = Standardization(summary), Standardization(tokens.patches)
        own_size = student.token_size * (1 + student.has_class_token)
        self.map_summary = _make_map(own_size, self.standardize_summary)
        self.map_patches = _make_map(student.token_size, self.standardize_patches)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the maps; the teacher stays in evaluation."""
        super().train(mode)
        self.model.eval()
        return self

    def teacher_tokens(self, inputs: Tensor) -> Tokens:
        """The teacher's tokens of the student's inputs (N, C, H, W)."""
        return read_tokens(self.model, convert_inputs(inputs, self.input, self.teacher.preprocessing))

    def forward(self, student: Tokens, inputs: Tensor) -> Tensor:
        """Compute the distance of the student's tokens on `inputs` to the teacher's."""
        with torch.no_grad():
            teacher = self.teacher_tokens(inputs)
            patches = resize_grid(self.standardize_patches(teacher.patches), student.patches.shape[1])
            wanted = Features(self.standardize_summary(summarize(teacher)), patches)
        predicted = Features(self.map_summary(summarize(student)), self.map_patches(student.patches))
        return feature_loss(predicted, wanted, patch_weight=1.0)


class FeatureDistillationModel(ObjectiveModel):
    """A student with the teacher that it learns from."""

    def __init__(self, encoder: TrainedEncoder, target: FeatureTarget) -> None:
        super().__init__()
        self.encoder, self.target = encoder, target


def make_model(encoder: TrainedEncoder, settings: Config, context: FitContext) -> FeatureDistillationModel:
    """Load the teacher that the settings name."""
    teacher = context.load_backbone(settings.teacher, settings.teacher_input_size)
    return FeatureDistillationModel(encoder, FeatureTarget(teacher, encoder, context.sample))


def loss(model: FeatureDistillationModel, batch: TrainingBatch) -> Tensor:
    """Compute the distance to the teacher's features."""
    batch.require(Config.needs, Config.kind_name())
    distance: Tensor = model.target(model.encoder.tokens(batch.images), batch.images)
    return distance


def feature_loss(predicted: Features, wanted: Features, patch_weight: float) -> Tensor:
    """Compute the smooth L1 distance of standardised features: of the whole image, and of the patches beside it."""
    loss = functional.smooth_l1_loss(predicted.whole, wanted.whole)
    if not patch_weight:
        return loss
    return loss + patch_weight * functional.smooth_l1_loss(predicted.patches, wanted.patches)


def summarize(tokens: Tokens) -> Tensor:
    """Class token, where there is one, beside the mean of the patches: (N, D) or (N, 2D)."""
    mean = tokens.patches.mean(dim=1)
    return mean if tokens.class_token is None else torch.cat([tokens.class_token, mean], dim=1)


def resize_grid(patches: Tensor, count: int) -> Tensor:
    """Resize a square grid of features (N, T, D) to `count` cells: averaged where it shrinks."""
    if patches.shape[1] == count:
        return patches
    side, wanted = round(patches.shape[1] ** 0.5), round(count**0.5)
    grid = patches.transpose(1, 2).reshape(len(patches), -1, side, side)
    resized = functional.interpolate(grid, (wanted, wanted), mode="bilinear", antialias=True)
    return resized.flatten(2).transpose(1, 2)


def convert_inputs(inputs: Tensor, given: Preprocessing, wanted: Preprocessing) -> Tensor:
    """Turn inputs of one preprocessing into those of another, of its size and normalisation; gray stays gray."""
    mean, std = (torch.tensor(values, device=inputs.device)[:, None, None] for values in (given.mean, given.std))
    unit = ((inputs * std + mean - given.offset) / given.scale)[:, : wanted.num_channels]
    unit = unit.expand(-1, wanted.num_channels, -1, -1)
    if unit.shape[2:] != wanted.input_size:
        unit = functional.interpolate(unit, wanted.input_size, mode="bicubic", antialias=True)
    mean, std = (torch.tensor(values, device=inputs.device)[:, None, None] for values in (wanted.mean, wanted.std))
    return (unit * wanted.scale + wanted.offset - mean) / std


def _make_map(size: int, teacher: Standardization) -> nn.Module:
    """The teacher's standardisation where sizes agree, so that features can become the teacher's; else a linear map."""
    return teacher if size == len(teacher.mean) else nn.Linear(size, len(teacher.mean))
