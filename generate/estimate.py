"""Estimate how long a generation takes on this machine, from a few passes of the real network."""

import time
from pathlib import Path

import torch

from curation.progress import Clock
from generate.request import GenerationRequest
from generate.sample import image_generator, load_pipeline, make_scheduler
from train.backbones.fixed_rows import NETWORK_ROWS
from train.fitting.device import choose_device

FEW, MORE = 2, 4  # sampler steps of the two timings: their difference is steps alone


def estimate_generation(
    directory: Path, request: GenerationRequest, images: int, clock: Clock = time.monotonic
) -> float:
    """Return the seconds that `images` images of a request take, after drawing a few twice."""
    device = choose_device()
    pipeline = load_pipeline(directory, device)
    pipeline.scheduler = make_scheduler(request.sampler)
    rows_an_image = 2 if request.guidance_scale != 1 else 1
    count = NETWORK_ROWS // rows_an_image

    def seconds(steps: int) -> float:
        began = clock()
        pipeline(
            [0] * count,
            num_inference_steps=steps,
            guidance_scale=request.guidance_scale,
            generator=[image_generator(request.seed, index) for index in range(count)],
            output_type="uint8",
        )
        if device == "cuda":
            torch.cuda.synchronize()
        return clock() - began

    seconds(FEW)  # warms up
    few, more = seconds(FEW), seconds(MORE)
    step = max(more - few, 0.0) / (MORE - FEW)
    rest = max(few - FEW * step, 0.0)  # the decoder
    return images / count * (rest + request.num_inference_steps * step)
