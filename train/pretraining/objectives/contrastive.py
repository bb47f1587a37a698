"""SimCLR: two views of an image are alike, and unlike those of every other image of the batch.

Chen et al. 2020, arXiv:2002.05709, equation 1 (NT-Xent).
"""

import torch
from torch import Tensor
from torch.nn import functional

from train.pretraining.batch import TrainingBatch
from train.pretraining.objective_model import FitContext, ObjectiveModel, make_projector
from train.pretraining.objective_table import Contrastive as Config
from train.pretraining.trained_encoder import TrainedEncoder


class ContrastiveModel(ObjectiveModel):
    """An encoder with a projection that is thrown away at the end."""

    def __init__(self, encoder: TrainedEncoder, settings: Config) -> None:
        super().__init__()
        self.encoder, self.temperature = encoder, settings.temperature
        size = encoder.backbone.dimension
        self.project = make_projector(size, size, settings.projection_size)


def make_model(encoder: TrainedEncoder, settings: Config, context: FitContext) -> ContrastiveModel:
    """Put a projection behind the encoder."""
    return ContrastiveModel(encoder, settings)


def loss(model: ContrastiveModel, batch: TrainingBatch) -> Tensor:
    """Compute NT-Xent of the two views."""
    batch.require(Config.needs, Config.kind_name())
    projected = model.project(model.encoder(torch.cat(batch.views)))
    return nt_xent(projected, model.temperature)


def nt_xent(projected: Tensor, temperature: float) -> Tensor:
    """Compute the normalised temperature-scaled cross-entropy of (2B, D); rows i and B + i are views of one image."""
    normalized = functional.normalize(projected, dim=1)
    similarity = (normalized @ normalized.T / temperature).fill_diagonal_(-torch.inf)
    partners = torch.arange(len(projected), device=projected.device).roll(len(projected) // 2)
    return functional.cross_entropy(similarity, partners)
