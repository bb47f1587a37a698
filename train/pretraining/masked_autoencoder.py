"""A masked autoencoder from random weights: its shape, its augmentation, its learning rate.

He et al. 2021, arXiv:2111.06377.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from train.pretraining.recipe import ImageRecipe, PretrainRecipe

NUM_CHANNELS = 3  # gray is repeated, so that colour images reach the same encoder
TOKEN_DEVIATION = 0.02


def make_masked_autoencoder(recipe: PretrainRecipe) -> ViTMAEForPreTraining:
    """Make a randomly initialised masked autoencoder, whose encoder `vit` is kept.

    transformers 5.23 leaves the position tables of a new ViTMAE at zero, and without positions it cannot learn.
    Positions and weights are set here as in the paper's appendix A.1; deviations of 0.02 are too small for layers this
    narrow.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(recipe.seed)
        model = ViTMAEForPreTraining(_configuration(recipe))
        for layer in model.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight.view(layer.weight.shape[0], -1))
        nn.init.normal_(model.vit.embeddings.cls_token, std=TOKEN_DEVIATION)
        nn.init.normal_(model.decoder.mask_token, std=TOKEN_DEVIATION)
        grid = recipe.image_size // recipe.patch_size
        model.vit.embeddings.position_embeddings.copy_(sine_positions(grid, recipe.hidden_size))
        model.decoder.decoder_pos_embed.copy_(sine_positions(grid, recipe.decoder_hidden_size))
    return model


def sine_positions(grid: int, dimension: int) -> Tensor:
    """Compute two-dimensional sine and cosine positions (1, 1 + grid², dimension); zero for the class token."""
    frequencies = 10_000 ** (-torch.arange(dimension // 4, dtype=torch.float64) / (dimension // 4))
    rows, columns = torch.meshgrid(*(torch.arange(grid, dtype=torch.float64),) * 2, indexing="ij")
    angles = [axis.flatten()[:, None] * frequencies for axis in (columns, rows)]
    table = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)  # (grid², dimension)
    return torch.cat([torch.zeros(1, dimension, dtype=torch.float64), table]).float()[None]


def encoder_shape(recipe: PretrainRecipe) -> dict[str, Any]:
    """Name the sizes of the encoder as the configurations of ViT and ViTMAE do."""
    return {
        "image_size": recipe.image_size,
        "patch_size": recipe.patch_size,
        "num_channels": NUM_CHANNELS,
        "hidden_size": recipe.hidden_size,
        "num_hidden_layers": recipe.num_layers,
        "num_attention_heads": recipe.num_heads,
        "intermediate_size": 4 * recipe.hidden_size,
    }


def _configuration(recipe: PretrainRecipe) -> ViTMAEConfig:
    return ViTMAEConfig(
        **encoder_shape(recipe),
        decoder_hidden_size=recipe.decoder_hidden_size,
        decoder_num_hidden_layers=recipe.decoder_num_layers,
        decoder_num_attention_heads=recipe.decoder_num_heads,
        decoder_intermediate_size=4 * recipe.decoder_hidden_size,
        mask_ratio=recipe.mask_ratio,
        norm_pix_loss=recipe.normalized_targets,
    )


def augment(images: Tensor, shift: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift each of (B, C, H, W) by up to `shift` pixels, its edges repeated, and mirror half of them if `flip`."""
    size = images.shape[-1]
    padded = torch.nn.functional.pad(images, (shift,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * shift + 1, (len(images), 2), generator=generator).tolist()
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).tolist()
    out = torch.empty_like(images)
    for index, ((top, left), mirror) in enumerate(zip(offsets, mirrored, strict=True)):
        window = padded[index, :, top : top + size, left : left + size]
        out[index] = window.flip(-1) if mirror and flip else window
    return out


def learning_rate(recipe: ImageRecipe, step: int, initial: float) -> float:
    """Return the rate of `step`, counted from 0: linear warm-up times a cosine to zero."""
    warmup = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return initial * warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
