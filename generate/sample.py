"""Generate the images of a request: lazily, in the order of the plan, each from its own noise."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from diffusers.utils import logging as diffusers_logging
from numpy.typing import NDArray

from curation.errors import BadInput, Damaged, NotFound
from generate.card import read_card, weights_digest
from generate.pipelines.autoencoder import ImageAutoencoder
from generate.pipelines.latent_flow import TRAIN_TIMESTEPS, LatentFlowPipeline
from generate.request import GenerationRequest, Sampler
from train.fitting.device import choose_device
from train.fitting.seeding import seeded_generator

# While diffusers loads a model, the whole process makes new parameters without data. Two threads that load at the same
# time can leave it in that state.
LOADING = threading.Lock()


def make_scheduler(sampler: Sampler) -> SchedulerMixin:
    """Make the solver of the probability-flow equation that has this short name.

    UniPC (Zhao et al. 2023) and DPM-Solver++ (Lu et al. 2022) need about 12 steps where Euler needs 20.
    """
    if sampler == "euler":
        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=TRAIN_TIMESTEPS)
    solver = {"unipc": UniPCMultistepScheduler, "dpmpp": DPMSolverMultistepScheduler}[sampler]
    return solver(num_train_timesteps=TRAIN_TIMESTEPS, prediction_type="flow_prediction", use_flow_sigmas=True)


def image_generator(seed: int, index: int) -> torch.Generator:
    """Make the generator of image `index` of a batch, whatever the batch size, worker or restart."""
    return seeded_generator(f"rounds/image/{seed}/{index}")


def load_pipeline(directory: Path, device: str = "cpu") -> LatentFlowPipeline:
    """Open a fitted generator in float32.

    Raises NotFound when the directory holds none, Damaged when its weights are not those of its card.
    """
    directory = Path(directory)
    card = read_card(directory)
    digest = weights_digest(directory)
    if digest != card["digest"]:
        raise Damaged(
            f"{directory}: expected weights {card['digest']}, as its card says, got {digest}. Fit or fetch it again."
        )
    diffusers_logging.disable_progress_bar()
    with LOADING:
        pipeline = LatentFlowPipeline.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def load_autoencoder(directory: Path) -> ImageAutoencoder:
    """Open the autoencoder of a fitted generator in float32; raises Damaged when its weights are not the card's."""
    return load_pipeline(directory).autoencoder.eval()


def sample_images(
    directory: Path,
    plan: Sequence[tuple[int, str]],
    request: GenerationRequest,
    batch_size: int = 16,
    device: str | None = None,
) -> Iterator[tuple[int, str, NDArray[np.uint8]]]:
    """Yield (index, label, (H, W, C) uint8) for each entry of `plan`, all of `request.plan()` or a part of it.

    An image depends on the request's seed and its index alone, not on `batch_size` or where the plan starts.
    Raises BadInput when the generator does not know a label.
    """
    if not Path(directory).is_dir():
        raise NotFound(f"no generator at {directory}. `rounds generator list` shows the generators.")
    pipeline = load_pipeline(directory, device or choose_device())
    pipeline.scheduler = make_scheduler(request.sampler)
    unknown = sorted({label for _, label in plan} - set(pipeline.classes))
    if unknown:
        raise BadInput(
            f"generator {request.generator!r}: expected classes among {', '.join(pipeline.classes)}, got "
            f"{', '.join(unknown)}. Ask for its classes."
        )
    index_of = {name: position for position, name in enumerate(pipeline.classes)}
    entries = iter(plan)
    while batch := list(islice(entries, batch_size)):
        generated = pipeline(
            [index_of[label] for _, label in batch],
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            generator=[image_generator(request.seed, index) for index, _ in batch],
            output_type="uint8",
        ).images
        for (index, label), pixels in zip(batch, generated, strict=True):
            yield index, label, pixels
