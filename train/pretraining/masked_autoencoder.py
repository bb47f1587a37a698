"""A masked autoencoder in training (He et al. 2021, arXiv:2111.06377): batches, masks, steps, checkpoints.

Batch and masks are functions of (seed, step), so a fit that was killed and resumed gives the same weights as one that
was not.
"""

import hashlib
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from curation.errors import Conflict
from train.backbones.preprocessing import Preprocessing
from train.pretraining.recipe import PretrainRecipe

NUM_CHANNELS = 3  # gray is repeated, so that colour images reach the same encoder
EVALUATION_STEP = -1
TOKEN_DEVIATION = 0.02


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step, independent of all steps before it."""
    digest = hashlib.sha256(f"pretrain:{seed}:{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def mae_model(recipe: PretrainRecipe) -> ViTMAEForPreTraining:
    """A randomly initialised masked autoencoder: `vit` is the encoder that is kept.

    transformers 5.23 leaves the position tables of a new ViTMAE at zero, and a masked autoencoder without positions
    cannot learn; they and the weights are set here as in the paper's appendix A.1. Its deviation of 0.02 also starves
    layers this narrow.
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
    """Fixed two-dimensional sine and cosine positions (1, 1 + grid², dimension); zero for the class token."""
    frequencies = 10_000 ** (-torch.arange(dimension // 4, dtype=torch.float64) / (dimension // 4))
    rows, columns = torch.meshgrid(*(torch.arange(grid, dtype=torch.float64),) * 2, indexing="ij")
    angles = [axis.flatten()[:, None] * frequencies for axis in (columns, rows)]
    table = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)  # (grid², dimension)
    return torch.cat([torch.zeros(1, dimension, dtype=torch.float64), table]).float()[None]


def _configuration(recipe: PretrainRecipe) -> ViTMAEConfig:
    return ViTMAEConfig(
        image_size=recipe.image_size,
        patch_size=recipe.patch_size,
        num_channels=NUM_CHANNELS,
        hidden_size=recipe.hidden_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        intermediate_size=4 * recipe.hidden_size,
        decoder_hidden_size=recipe.decoder_hidden_size,
        decoder_num_hidden_layers=recipe.decoder_num_layers,
        decoder_num_attention_heads=recipe.decoder_num_heads,
        decoder_intermediate_size=4 * recipe.decoder_hidden_size,
        mask_ratio=recipe.mask_ratio,
        norm_pix_loss=recipe.normalized_targets,
    )


def augment(images: Tensor, recipe: PretrainRecipe, generator: torch.Generator) -> Tensor:
    """Shift each of (B, C, H, W) by a few pixels, the border filled with its outermost one, and mirror half of them."""
    shift = recipe.shift_pixels
    size = images.shape[-1]
    padded = torch.nn.functional.pad(images, (shift,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * shift + 1, (len(images), 2), generator=generator).tolist()
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).tolist()
    out = torch.empty_like(images)
    for index, ((top, left), mirror) in enumerate(zip(offsets, mirrored, strict=True)):
        window = padded[index, :, top : top + size, left : left + size]
        out[index] = window.flip(-1) if mirror and recipe.flip else window
    return out


@dataclass
class MaskedAutoencoderFit:
    """The state of a fit: model, optimiser, how far it got and the losses so far."""

    recipe: PretrainRecipe
    pixels: NDArray[Any]  # (N, H, W, C) stored depth, the images fitted on
    held_out: NDArray[Any]
    preprocessing: Preprocessing
    step: int = 0
    losses: list[dict[str, float]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = mae_model(self.recipe).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.recipe.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=self.recipe.weight_decay,
        )

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine to zero."""
        warmup = min(1.0, (step + 1) / max(1, self.recipe.warmup_steps))
        return self.recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / self.recipe.steps))

    def batch(self, step: int, generator: torch.Generator) -> Tensor:
        """The images of one step: the next slice of the epoch's own permutation."""
        size = min(self.recipe.batch_size, len(self.pixels))
        per_epoch = len(self.pixels) // size
        epoch, position = divmod(step, per_epoch)
        order = torch.randperm(len(self.pixels), generator=step_generator(self.recipe.seed, -2 - epoch))
        chosen = order[position * size : (position + 1) * size].numpy()
        return augment(self.preprocessing(self.pixels[chosen]), self.recipe, generator)

    def loss(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Reconstruction loss on the masked patches of (B, C, H, W)."""
        num_patches = (self.recipe.image_size // self.recipe.patch_size) ** 2
        noise = torch.rand(len(images), num_patches, generator=generator)
        loss: Tensor = self.model(images.to(self.device), noise=noise.to(self.device)).loss
        return loss

    def advance(self) -> float:
        """Take one optimiser step and return its loss."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        generator = step_generator(self.recipe.seed, self.step)
        loss = self.loss(self.batch(self.step, generator), generator)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self.recent.append(float(loss.detach()))
        return self.recent[-1]

    def held_out_loss(self) -> float:
        """Loss on the images kept from the fit, always under the same masks."""
        self.model.eval()
        generator = step_generator(self.recipe.seed, EVALUATION_STEP)
        with torch.inference_mode():
            return float(self.loss(self.preprocessing(self.held_out), generator))

    def save(self, path: Path) -> None:
        """Note the losses and write everything a resumed fit needs; the file is replaced in one rename."""
        mean = sum(self.recent) / len(self.recent)
        self.losses.append({"step": self.step, "train": mean, "held_out": self.held_out_loss()})
        self.recent = []
        state = {
            "recipe": self.recipe.digest(),
            "step": self.step,
            "losses": self.losses,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        temporary = path.with_suffix(".part")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint; raises Conflict when another recipe wrote it."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        if state["recipe"] != self.recipe.digest():
            raise Conflict(
                f"{path} was written by another recipe. Finish that fit, remove its directory or choose another."
            )
        self.step, self.losses = state["step"], state["losses"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
