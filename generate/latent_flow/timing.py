"""Time a few steps of a recipe's networks on this machine, and estimate how long the fit takes.

The networks and their losses are those of the fit, the images are noise: a step takes as long whatever it is shown.
"""

import time
from dataclasses import dataclass, replace

import torch

from curation.progress import Clock
from curation.snapshots.folder import SnapshotFolder
from generate.canvas import Canvas
from generate.latent_flow.fit_flow import GRID_PER_CLASS, make_unet
from generate.latent_flow.fit_images import MAX_VALIDATION, autocast
from generate.latent_flow.objectives import flow_loss, reconstruction_loss
from generate.latent_flow.recipe import FitRecipe
from generate.pipelines.autoencoder import ImageAutoencoder
from generate.pipelines.sizes import DOWNSAMPLING
from train.fitting.recipe import PhaseRecipe
from train.fitting.timing import FORWARD_SHARE, FitEstimate, PhaseEstimate, time_steps

GRID_STEPS, GUIDED = 12, 2  # of the pictures that a fit draws to show how far it is


@dataclass(frozen=True, slots=True)
class FitSize:
    """What decides the time of a step, besides the recipe: the images, how many classes, how many to validate on."""

    height: int
    width: int
    channels: int
    classes: int
    validation: int

    @classmethod
    def of(cls, folder: SnapshotFolder) -> "FitSize":
        """Read it from a snapshot."""
        height, width, channels = folder.shape
        held_out = sum(row.origin == "real" for row in folder.rows("validation"))
        return cls(height, width, channels, len(folder.classes), min(held_out, MAX_VALIDATION))

    def canvas(self, recipe: FitRecipe) -> Canvas:
        """Plan the canvas as the fit does."""
        return Canvas.plan(self.height, self.width, recipe.canvas, recipe.multiple)


def estimate_fit(
    folder: SnapshotFolder, recipe: FitRecipe, device: str, clock: Clock = time.monotonic, *, flow_only: bool = False
) -> FitEstimate:
    """Time a few steps of both networks and estimate the whole fit; `flow_only` where an autoencoder is taken over."""
    size = FitSize.of(folder)
    autoencoder_s = 0.0 if flow_only else time_autoencoder(recipe, size, device, clock)
    estimate = estimate_from(recipe, size, device, autoencoder_s, time_flow(recipe, size, device, clock))
    return replace(estimate, phases=estimate.phases[1:]) if flow_only else estimate


def estimate_from(recipe: FitRecipe, size: FitSize, device: str, autoencoder_s: float, flow_s: float) -> FitEstimate:
    """Estimate the fit from the seconds of a step of each network."""
    shown = size.classes * GRID_PER_CLASS * GRID_STEPS * GUIDED
    rows = {"autoencoder": size.validation, "flow": size.validation + shown}
    phases = [("autoencoder", recipe.autoencoder, autoencoder_s), ("flow", recipe.flow, flow_s)]

    def estimate(name: str, phase: PhaseRecipe, step_s: float) -> PhaseEstimate:
        evaluations = -(-phase.steps // recipe.grid_every)
        evaluation_s = rows[name] / phase.batch_size * step_s * FORWARD_SHARE
        return PhaseEstimate(name, phase.steps, step_s, evaluations * evaluation_s)

    first, second = (estimate(*phase) for phase in phases)
    return FitEstimate(device, (first, second))


def time_autoencoder(
    recipe: FitRecipe, size: FitSize, device: str, clock: Clock = time.monotonic, patience_s: float | None = None
) -> float:
    """Measure the seconds of an autoencoder step; raises TooSlow when the first takes longer than `patience_s`."""
    phase, canvas = recipe.autoencoder, size.canvas(recipe)
    with torch.random.fork_rng():
        model = ImageAutoencoder(
            image_channels=size.channels,
            block_out_channels=phase.block_out_channels,
            layers_per_block=phase.layers_per_block,
            latent_channels=phase.latent_channels,
        ).to(device, memory_format=torch.channels_last)
        images = torch.rand(phase.batch_size, size.channels, canvas.canvas_height, canvas.canvas_width, device=device)

        def loss() -> torch.Tensor:
            with autocast(recipe, device):
                output = model(images)
            return reconstruction_loss(output.float(), images, phase.squared_weight, phase.gradient_weight)

        return time_steps(model, loss, device, clock, patience_s)


def time_flow(
    recipe: FitRecipe, size: FitSize, device: str, clock: Clock = time.monotonic, patience_s: float | None = None
) -> float:
    """Measure the seconds of a step of the flow; raises TooSlow when the first takes longer than `patience_s`."""
    phase, canvas = recipe.flow, size.canvas(recipe)
    shape = (canvas.canvas_height // DOWNSAMPLING, canvas.canvas_width // DOWNSAMPLING)
    with torch.random.fork_rng():
        channels = recipe.autoencoder.latent_channels
        unet = make_unet(phase, channels, shape, size.classes).to(device, memory_format=torch.channels_last)
        latents = torch.randn(phase.batch_size, channels, *shape, device=device)
        labels = torch.arange(phase.batch_size, device=device) % size.classes
        generator = torch.Generator().manual_seed(0)

        def loss() -> torch.Tensor:
            with autocast(recipe, device):
                return flow_loss(unet, latents, labels, generator, phase.label_drop)

        return time_steps(unet, loss, device, clock, patience_s)
