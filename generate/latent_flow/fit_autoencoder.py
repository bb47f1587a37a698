"""The first phase: the autoencoder, from which the flow gets its latents and every generated image its sharpness."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from generate.canvas import Canvas, to_uint8
from generate.grids import save_grid
from generate.latent_flow.fit_images import MAX_VALIDATION, FitImages, autocast, canvas_batches, draw_batch
from generate.latent_flow.objectives import psnr_db, reconstruction_loss
from generate.latent_flow.recipe import FitRecipe
from generate.latent_flow.run_phase import run_phase
from generate.pipelines.autoencoder import DOWNSAMPLING, ImageAutoencoder
from train.fitting.phase import OnFitProgress, Phase

GRID_COLUMNS = 12


def fit_autoencoder(
    images: FitImages, recipe: FitRecipe, out: Path, on_progress: OnFitProgress, device: str
) -> tuple[ImageAutoencoder, Phase]:
    """Fit the autoencoder and store its latents' mean and spread."""
    own = recipe.autoencoder
    torch.manual_seed(recipe.seed)
    model = ImageAutoencoder(images.train.shape[3], own.block_out_channels, own.layers_per_block, own.latent_channels)
    model = model.to(device, memory_format=torch.channels_last)

    def objective(generator: torch.Generator) -> torch.Tensor:
        chosen = draw_batch(images.weights, own.batch_size, generator)
        target = images.canvas.to_canvas(images.train[chosen.numpy()])
        if recipe.horizontal_flip:
            flipped = torch.rand(len(target), generator=generator) < 0.5
            target[flipped] = target[flipped].flip(3)
        _, _, height, width = target.shape
        shape = (len(target), own.latent_channels, height // DOWNSAMPLING, width // DOWNSAMPLING)
        noise = torch.randn(shape, generator=generator).mul_(own.latent_noise).to(device)
        target = target.to(device, memory_format=torch.channels_last)
        with autocast(recipe, device):
            output = model(target, noise)
        return reconstruction_loss(output.float(), target, own.squared_weight, own.gradient_weight)

    # Without validation rows the training images are scored, and the metric says so.
    held_out = len(images.validation) > 0
    shown = images.validation if held_out else images.train[:MAX_VALIDATION]
    labels = images.validation_labels if held_out else images.train_labels[:MAX_VALIDATION]

    def evaluate(step: int) -> dict[str, float]:
        again = reconstruct(model, images.canvas, shown, device)
        save_comparison(shown, again, out / "grids" / f"autoencoder-{step:06d}.png")
        score = psnr_db(again, shown)
        prefix = "psnr_db" if held_out else "training_psnr_db"
        of_classes = {
            f"{prefix}/{name}": float(score[(labels == index).numpy()].mean())
            for index, name in enumerate(images.classes)
            if bool((labels == index).any())
        }
        return {prefix: float(score.mean()), **of_classes}

    phase = run_phase("autoencoder", model, own, recipe, out, objective, evaluate, on_progress)
    with torch.no_grad():
        raw = [model.encoder(batch) for batch in canvas_batches(images.canvas, images.train, device)]
    model.normalise(torch.cat(raw))
    return model, phase


@torch.no_grad()
def reconstruct(model: ImageAutoencoder, canvas: Canvas, pixels: NDArray[np.uint8], device: str) -> NDArray[np.uint8]:
    """`pixels` (N, H, W, C) through the autoencoder and back."""
    batches = canvas_batches(canvas, pixels, device)
    return np.concatenate([to_uint8(canvas.from_canvas(model(batch))) for batch in batches])


def save_comparison(originals: NDArray[np.uint8], again: NDArray[np.uint8], path: Path) -> None:
    """A grid of rows in pairs: originals, and under them their reconstructions."""
    few = np.linspace(0, len(originals) - 1, min(len(originals), 3 * GRID_COLUMNS)).astype(int)
    rows = [few[start : start + GRID_COLUMNS] for start in range(0, len(few), GRID_COLUMNS)]
    whole = [row for row in rows if len(row) == len(rows[0])]
    pairs = [part for row in whole for part in (originals[row], again[row])]
    save_grid(np.concatenate(pairs), len(rows[0]), path)
