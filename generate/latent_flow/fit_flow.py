"""The second phase of a fit: a UNet learns the velocity field from noise to latents of each class."""

from pathlib import Path

import torch
from diffusers import UNet2DModel

from generate.canvas import to_uint8
from generate.grids import save_grid
from generate.latent_flow.fit_images import FitImages, autocast, canvas_batches, draw_batch
from generate.latent_flow.objectives import flow_loss
from generate.latent_flow.recipe import FitRecipe, FlowRecipe, norm_groups
from generate.latent_flow.run_phase import run_phase
from generate.pipelines.autoencoder import ImageAutoencoder
from generate.pipelines.latent_flow import LatentFlowPipeline
from generate.sample import image_generator, make_scheduler
from train.fitting.phase import OnFitProgress, Phase
from train.fitting.seeding import step_generator

GRID_PER_CLASS = 12


def make_unet(recipe: FlowRecipe, latent_channels: int, size: tuple[int, int], classes: int) -> UNet2DModel:
    """Make a UNet with attention at its lowest level and one class more than `classes`: the null class."""
    levels = len(recipe.block_out_channels)
    return UNet2DModel(
        sample_size=size,
        in_channels=latent_channels,
        out_channels=latent_channels,
        layers_per_block=recipe.layers_per_block,
        block_out_channels=recipe.block_out_channels,
        down_block_types=("DownBlock2D",) * (levels - 1) + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
        attention_head_dim=recipe.attention_head_dim,
        norm_num_groups=norm_groups(recipe.block_out_channels),
        num_class_embeds=classes + 1,
    )


def make_pipeline(images: FitImages, autoencoder: ImageAutoencoder, unet: UNet2DModel) -> LatentFlowPipeline:
    """Make the pipeline around the two networks, with UniPC for flows as its scheduler."""
    canvas = images.canvas
    return LatentFlowPipeline(
        autoencoder=autoencoder,
        unet=unet,
        scheduler=make_scheduler("unipc"),
        id2label={str(index): name for index, name in enumerate(images.classes)},
        image_height=canvas.height,
        image_width=canvas.width,
        canvas_height=canvas.canvas_height,
        canvas_width=canvas.canvas_width,
        canvas_fit=canvas.fit,
    )


@torch.no_grad()
def encode_training_images(autoencoder: ImageAutoencoder, images: FitImages, flip: bool, device: str) -> torch.Tensor:
    """Encode every training image: normalised latents (1 or 2, N, C, h, w), the second of mirrored images.

    Images are mirrored before they are encoded, because the autoencoder need not be symmetric.
    """
    versions = []
    for mirrored in (False, True) if flip else (False,):
        batches = canvas_batches(images.canvas, images.train, device)
        versions.append(torch.cat([autoencoder.encode(batch.flip(3) if mirrored else batch) for batch in batches]))
    return torch.stack(versions).contiguous()


def fit_flow(
    images: FitImages,
    autoencoder: ImageAutoencoder,
    recipe: FitRecipe,
    out: Path,
    on_progress: OnFitProgress,
    device: str,
    autoencoder_from: str = "",
) -> tuple[UNet2DModel, Phase]:
    """Fit the flow on the latents of a fitted autoencoder.

    `autoencoder_from` is the weights digest of the generator whose autoencoder it is, if it was not fitted here.
    """
    phase_recipe = recipe.flow
    latents = encode_training_images(autoencoder, images, recipe.horizontal_flip, device)
    labels = images.train_labels.to(device)
    torch.manual_seed(recipe.seed + 1)
    _, _, channels, height, width = latents.shape
    unet = make_unet(phase_recipe, channels, (height, width), len(images.classes))
    unet = unet.to(device, memory_format=torch.channels_last)
    pipeline = make_pipeline(images, autoencoder, unet)
    pipeline.set_progress_bar_config(disable=True)
    shown = [label for label in range(len(images.classes)) for _ in range(GRID_PER_CLASS)]

    def objective(generator: torch.Generator) -> torch.Tensor:
        chosen = draw_batch(images.weights, phase_recipe.batch_size, generator)
        version = torch.randint(len(latents), chosen.shape, generator=generator)
        data = latents[version.to(device), chosen.to(device)].contiguous(memory_format=torch.channels_last)
        with autocast(recipe, device):
            return flow_loss(unet, data, labels[chosen.to(device)], generator, phase_recipe.label_drop)

    def evaluate(step: int) -> dict[str, float]:
        generators = [image_generator(recipe.seed, index) for index in range(len(shown))]
        generated = pipeline(shown, generator=generators, output_type="pt").images
        save_grid(to_uint8(generated), GRID_PER_CLASS, out / "grids" / f"flow-{step:06d}.png")
        return measure_validation_loss(unet, autoencoder, images, recipe, device)

    fit = " ".join(filter(None, (recipe.digest(), "on", images.digest, autoencoder_from)))
    phase = run_phase("flow", unet, phase_recipe, recipe, out, fit, objective, evaluate, on_progress)
    return unet, phase


@torch.no_grad()
def measure_validation_loss(
    unet: UNet2DModel, autoencoder: ImageAutoencoder, images: FitImages, recipe: FitRecipe, device: str
) -> dict[str, float]:
    """Measure the loss on validation images, with equal noise and times every time; empty without images."""
    if not len(images.validation):
        return {}
    total, count = 0.0, 0
    for number, batch in enumerate(canvas_batches(images.canvas, images.validation, device)):
        labels = images.validation_labels[count : count + len(batch)].to(device)
        generator = step_generator(recipe.seed, "flow-validation", number)
        total += float(flow_loss(unet, autoencoder.encode(batch), labels, generator, label_drop=0.0)) * len(batch)
        count += len(batch)
    return {"loss": total / count}
