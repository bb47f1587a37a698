"""The first phase of a fit: the autoencoder that makes the latents of the flow."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from generate.canvas import Canvas, to_uint8
from generate.grids import save_grid
from generate.latent_flow.fit_images import MAX_VALIDATION, FitImages, autocast, canvas_batches, draw_batch
from generate.latent_flow.objectives import psnr_db, reconstruction_loss
from generate.latent_flow.recipe import AutoencoderRecipe, FitRecipe
from generate.latent_flow.run_phase import run_phase
from generate.pipelines.autoencoder import ImageAutoencoder
from generate.pipelines.sizes import DOWNSAMPLING
from generate.sample import load_autoencoder
from train.fitting.phase import OnFitProgress, Phase

GRID_COLUMNS = 12


def make_autoencoder(recipe: AutoencoderRecipe, image_channels: int) -> ImageAutoencoder:
    """Make an autoencoder without weights worth keeping."""
    return ImageAutoencoder(
        image_channels=image_channels,
        block_out_channels=recipe.block_out_channels,
        layers_per_block=recipe.layers_per_block,
        latent_channels=recipe.latent_channels,
    )


def fit_autoencoder(
    images: FitImages, recipe: FitRecipe, out: Path, on_progress: OnFitProgress, device: str
) -> tuple[ImageAutoencoder, Phase]:
    """Fit the autoencoder and store the mean and deviation of its latents."""
    phase_recipe = recipe.autoencoder
    torch.manual_seed(recipe.seed)
    model = make_autoencoder(phase_recipe, images.train.shape[3])
    model = model.to(device, memory_format=torch.channels_last)

    def objective(generator: torch.Generator) -> torch.Tensor:
        chosen = draw_batch(images.weights, phase_recipe.batch_size, generator)
        target = images.canvas.to_canvas(images.train[chosen.numpy()])
        if recipe.horizontal_flip:
            flipped = torch.rand(len(target), generator=generator) < 0.5
            target[flipped] = target[flipped].flip(3)
        _, _, height, width = target.shape
        shape = (len(target), phase_recipe.latent_channels, height // DOWNSAMPLING, width // DOWNSAMPLING)
        noise = torch.randn(shape, generator=generator).mul_(phase_recipe.latent_noise).to(device)
        target = target.to(device, memory_format=torch.channels_last)
        with autocast(recipe, device):
            output = model(target, noise)
        return reconstruction_loss(output.float(), target, phase_recipe.squared_weight, phase_recipe.gradient_weight)

    def evaluate(step: int) -> dict[str, float]:
        return measure_reconstruction(model, images, out, step, device)

    fit = f"{recipe.autoencoder_digest()} on {images.digest}"
    phase = run_phase("autoencoder", model, phase_recipe, recipe, out, fit, objective, evaluate, on_progress)
    phase.evaluations[-1][1].update(normalise_latents(model, images, device))
    return model, phase


def reuse_autoencoder(
    images: FitImages, directory: Path, out: Path, device: str
) -> tuple[ImageAutoencoder, dict[str, float]]:
    """Load the autoencoder of the generator in `directory`, and measure it on these images.

    Its weights stay as they are; the mean and the deviation of its latents become those of these images.
    """
    model = load_autoencoder(directory).to(device, memory_format=torch.channels_last)
    measures = measure_reconstruction(model, images, out, 0, device)
    return model, measures | normalise_latents(model, images, device)


@torch.no_grad()
def normalise_latents(model: ImageAutoencoder, images: FitImages, device: str) -> dict[str, float]:
    """Store the mean and the deviation of the latents of the training images.

    Returns a measure for the card where channels do not vary: they carry nothing, and the recipe may have fewer.
    """
    raw = [model.encoder(batch) for batch in canvas_batches(images.canvas, images.train, device)]
    constant = model.normalise(torch.cat(raw))
    return {"constant_latent_channels": float(constant)} if constant else {}


def measure_reconstruction(
    model: ImageAutoencoder, images: FitImages, out: Path, step: int, device: str
) -> dict[str, float]:
    """Measure the signal-to-noise ratio of reconstructions in dB, overall and by class, and save a grid of them.

    Without validation rows training images are scored, and the name of the measure says so.
    """
    held_out = len(images.validation) > 0
    scored = images.validation if held_out else images.train[:MAX_VALIDATION]
    labels = images.validation_labels if held_out else images.train_labels[:MAX_VALIDATION]
    reconstructions = reconstruct(model, images.canvas, scored, device)
    save_comparison(scored, reconstructions, out / "grids" / f"autoencoder-{step:06d}.png")
    score = psnr_db(reconstructions, scored)
    prefix = "psnr_db" if held_out else "training_psnr_db"
    of_classes = {
        f"{prefix}/{name}": float(score[(labels == index).numpy()].mean())
        for index, name in enumerate(images.classes)
        if bool((labels == index).any())
    }
    return {prefix: float(score.mean()), **of_classes}


@torch.no_grad()
def reconstruct(model: ImageAutoencoder, canvas: Canvas, pixels: NDArray[np.uint8], device: str) -> NDArray[np.uint8]:
    """Encode `pixels` (N, H, W, C) and decode them again."""
    batches = canvas_batches(canvas, pixels, device)
    return np.concatenate([to_uint8(canvas.from_canvas(model(batch))) for batch in batches])


def save_comparison(originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8], path: Path) -> None:
    """Save a grid of rows in pairs: originals, and their reconstructions below them."""
    shown = np.linspace(0, len(originals) - 1, min(len(originals), 3 * GRID_COLUMNS)).astype(int)
    rows = [shown[start : start + GRID_COLUMNS] for start in range(0, len(shown), GRID_COLUMNS)]
    whole = [row for row in rows if len(row) == len(rows[0])]
    pairs = [part for row in whole for part in (originals[row], reconstructions[row])]
    save_grid(np.concatenate(pairs), len(rows[0]), path)
