"""SimMIM: some cells of the input are covered, one linear layer predicts their pixels.

Xie et al. 2022, arXiv:2111.09886: L1 on the covered pixels alone. A network with a mask token per patch gets that token
in place of a patch; any other, convolutional ones too, gets a learned colour in place of the pixels of a cell.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from curation.errors import BadInput
from train.pretraining.batch import TrainingBatch, choose_masked
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import SimMim as Config
from train.pretraining.trained_encoder import TrainedEncoder

WITH_MASK_TOKEN = ("vit", "dinov2", "dinov2_with_registers")  # whose features are one for each patch


class SimMimModel(ObjectiveModel):
    """An encoder with a linear layer that predicts the pixels of each cell."""

    def __init__(self, encoder: TrainedEncoder, settings: Config) -> None:
        super().__init__()
        self.encoder, self.mask_ratio = encoder, settings.mask_ratio
        num_channels = encoder.backbone.preprocessing.num_channels
        self.predict = nn.Linear(encoder.token_size, encoder.cell_size**2 * num_channels)
        self.has_mask_token = uses_mask_token(encoder.network)
        if self.has_mask_token:
            encoder.network.embeddings.mask_token.requires_grad_(True)
        else:
            self.colour = nn.Parameter(torch.zeros(num_channels))

    def covered_tokens(self, images: Tensor, mask: Tensor) -> Tensor:
        """Features of the cells (B, T, D) of images whose masked cells (B, T) are covered."""
        if self.has_mask_token:
            return self.encoder.tokens(images, bool_masked_pos=mask).patches
        pixels = spread_cells(mask, images.shape[-1])
        return self.encoder.tokens(torch.where(pixels, self.colour[:, None, None], images)).patches


def make_model(encoder: TrainedEncoder, settings: Config, context: FitContext) -> SimMimModel:
    """Put the predicting layer behind the encoder; raises BadInput where the mask would hide all or nothing."""
    kept = int(encoder.num_cells * (1 - settings.mask_ratio))
    if not 0 < kept < encoder.num_cells:
        raise BadInput(
            f"mask_ratio {settings.mask_ratio:g} of {encoder.num_cells} cells hides all or none of them. Change it, or "
            "raise input_size."
        )
    return SimMimModel(encoder, settings)


def loss(model: SimMimModel, batch: TrainingBatch) -> Tensor:
    """Compute the mean absolute error of the pixels of covered cells."""
    batch.require(Config.needs, Config.kind_name())
    mask = choose_masked(batch.noise, model.mask_ratio)
    predicted = model.predict(model.covered_tokens(batch.images, mask))  # (B, T, pixels)
    return (predicted - cut_cells(batch.images, model.encoder.cell_size))[mask].abs().mean()


def uses_mask_token(network: Any) -> bool:
    """Whether the network takes a mask of its patches and has a token for them."""
    takes_mask = "bool_masked_pos" in inspect.signature(network.forward).parameters
    has_token = getattr(getattr(network, "embeddings", None), "mask_token", None) is not None
    return network.config.model_type in WITH_MASK_TOKEN and takes_mask and has_token


def cut_cells(images: Tensor, side: int) -> Tensor:
    """Cut (B, C, H, W) into square cells: (B, T, side * side * C), row by row."""
    count, channels, height, width = images.shape
    cells = images.reshape(count, channels, height // side, side, width // side, side)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, side * side * channels)


def spread_cells(mask: Tensor, side: int) -> Tensor:
    """Spread a mask of cells (B, T) over the pixels: (B, 1, side, side)."""
    grid = round(mask.shape[1] ** 0.5)
    return mask.reshape(-1, 1, grid, grid).repeat_interleave(side // grid, 2).repeat_interleave(side // grid, 3)
