"""DINO: a student agrees across crops with its own moving average.

The teacher's outputs are centred and sharpened. Caron et al. 2021, arXiv:2104.14294, algorithm 1 and section 3.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from curation.errors import BadInput
from train.fitting.kept_weights import KeptWeights
from train.pretraining.batch import BatchShape, TrainingBatch
from train.pretraining.objective_model import FitContext, ObjectiveModel, make_projector
from train.pretraining.objective_table import SelfDistillation as Config
from train.pretraining.trained_encoder import TrainedEncoder

HIDDEN, BOTTLENECK = 512, 128


class PrototypeHead(nn.Module):
    """Scores (N, K) of features (N, D): a perceptron, normalised, against prototypes of length 1."""

    def __init__(self, size: int, num_prototypes: int) -> None:
        super().__init__()
        self.project = make_projector(size, HIDDEN, BOTTLENECK)
        self.prototypes = nn.Parameter(functional.normalize(torch.randn(num_prototypes, BOTTLENECK), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Compute cosine similarities to the prototypes."""
        return functional.normalize(self.project(features), dim=1) @ functional.normalize(self.prototypes, dim=1).T


class SelfDistillationModel(ObjectiveModel):
    """A student, its teacher of the same shape, and the running centre of what the teacher says."""

    centre: Tensor

    def __init__(self, encoder: TrainedEncoder, settings: Config) -> None:
        super().__init__()
        self.encoder, self.settings = encoder, settings
        self.head = PrototypeHead(encoder.backbone.dimension, settings.num_prototypes)
        self.teacher = copy.deepcopy(encoder).requires_grad_(False)
        self.teacher_head = copy.deepcopy(self.head).requires_grad_(False)
        self.register_buffer("centre", torch.zeros(settings.num_prototypes))

    @property
    def batch_shape(self) -> BatchShape:
        """Local crops have a side of whole cells."""
        cell = self.encoder.cell_size
        cells = max(1, round(self.settings.local_crop_share * self.encoder.side / cell))
        return BatchShape(self.encoder.num_cells, cells * cell, self.settings.num_local_crops)

    def kept_weights(self, steps: int) -> KeptWeights:
        """The teacher follows the student after every step."""
        pairs = [
            (teacher, student)
            for theirs, ours in ((self.teacher, self.encoder), (self.teacher_head, self.head))
            for teacher, student in zip(theirs.parameters(), ours.parameters(), strict=True)
            if student.requires_grad
        ]
        return TeacherAverage(pairs, self.settings.teacher_momentum, steps)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the student; the teacher stays in evaluation."""
        super().train(mode)
        self.teacher.eval()
        return self

    def teacher_temperature(self, progress: float) -> float:
        """The temperature rises linearly over the first share of the steps."""
        first, last = self.settings.first_teacher_temperature, self.settings.teacher_temperature
        warmup = self.settings.temperature_warmup
        return last if progress >= warmup else first + (last - first) * progress / warmup

    @torch.no_grad()
    def update_centre(self, scores: Tensor) -> None:
        """Move the centre towards the mean of the teacher's scores (N, K); equation 4."""
        self.centre.mul_(self.settings.centre_momentum).add_(scores.mean(dim=0) * (1 - self.settings.centre_momentum))


class TeacherAverage(KeptWeights):
    """The teacher's weights: a moving average of the student's, its momentum rising to 1 along a cosine."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]], momentum: float, steps: int) -> None:
        self.pairs, self.momentum, self.steps, self.step = pairs, momentum, steps, 0

    @torch.no_grad()
    def after_step(self) -> None:
        """Move every weight of the teacher towards the student's."""
        momentum = 1 - (1 - self.momentum) * (math.cos(math.pi * self.step / self.steps) + 1) / 2
        for teacher, student in self.pairs:
            teacher.lerp_(student, 1 - momentum)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """The step and the weights of the teacher."""
        return {"step": self.step, "weights": [teacher for teacher, _ in self.pairs]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step = state["step"]
        for (teacher, _), saved in zip(self.pairs, state["weights"], strict=True):
            teacher.data.copy_(saved)


def make_model(encoder: TrainedEncoder, settings: Config, context: FitContext) -> SelfDistillationModel:
    """Make the teacher from the student; raises BadInput for a network that does not take smaller crops."""
    model = SelfDistillationModel(encoder, settings)
    size = model.batch_shape.local_size
    if settings.num_local_crops:
        blank = context.sample[:1, :, :size, :size]
        try:
            with torch.inference_mode():
                encoder(blank.to(encoder.backbone.device))
        except (ValueError, RuntimeError) as error:
            raise BadInput(
                f"self-distillation shows crops of {size} x {size}, and {type(encoder.network).__name__} does not take "
                f"them ({str(error).splitlines()[0]}). Set num_local_crops to 0, or another local_crop_share."
            ) from error
    return model


def loss(model: SelfDistillationModel, batch: TrainingBatch) -> Tensor:
    """Compute the cross-entropy of the student on every crop to the teacher on every other view."""
    batch.require(Config.needs, Config.kind_name())
    with torch.no_grad():
        scores = model.teacher_head(model.teacher(torch.cat(batch.views)))
        targets = torch.softmax((scores - model.centre) / model.teacher_temperature(batch.progress), dim=1).chunk(2)
    students = [*model.head(model.encoder(torch.cat(batch.views))).chunk(2)]
    if batch.crops:
        students += model.head(model.encoder(torch.cat(batch.crops))).chunk(len(batch.crops))
    value = agreement_loss(targets, students, model.settings.student_temperature)
    if model.training:
        model.update_centre(scores)
    return value


def agreement_loss(targets: Sequence[Tensor], students: Sequence[Tensor], temperature: float) -> Tensor:
    """Average the cross-entropy over pairs of a teacher's view and another crop; view i is crop i (algorithm 1)."""
    pairs = [
        -(probabilities * torch.log_softmax(scores / temperature, dim=1)).sum(dim=1).mean()
        for view, probabilities in enumerate(targets)
        for crop, scores in enumerate(students)
        if crop != view
    ]
    return torch.stack(pairs).mean()
