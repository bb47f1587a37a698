"""Choose a recipe that fits into so many hours on this machine, and say why.

The rules rest on the fit of the shipped generator (docs/decisions.md, "Generation"): after 1,500 steps of 32 images the
eye found no change in its autoencoder, and its flow was still falling after 2,500 steps of 48.
"""

import time
from dataclasses import dataclass
from typing import Literal

from curation.errors import BadInput
from curation.progress import Clock, duration_words
from curation.snapshots.folder import SnapshotFolder
from generate.latent_flow.recipe import AutoencoderRecipe, FitRecipe, FlowRecipe
from generate.latent_flow.timing import FitSize, estimate_from, time_autoencoder, time_flow
from train.fitting.timing import FitEstimate, TooSlow

CanvasSize = Literal["pad"] | int

AUTOENCODER_STEPS, FLOW_STEPS = 1_500, 2_500  # below these a fit is not worth its time
AUTOENCODER_SHARE = 0.5  # of the time; the flow is judged on what the autoencoder lets through
MOST_PASSES = 400  # over the training images; more of them teach the network its images by heart
EVALUATIONS = 20
SPARE = 0.85  # of the hours are planned: the rest is for evaluations and pictures
CANVASES = (512, 256, 128)
# Channels of the autoencoder and of the flow, from the largest; "medium" is the shipped generator's.
SIZES: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
    "large": ((96, 192), (160, 224, 288)),
    "medium": ((64, 128), (96, 128, 160)),
    "small": ((48, 96), (64, 96, 128)),
    "tiny": ((32, 64), (32, 64)),
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A recipe, why it is as it is, how long it takes here, and what speaks against it."""

    recipe: FitRecipe
    reasons: tuple[str, ...]
    estimate: FitEstimate
    warning: str | None


@dataclass(frozen=True, slots=True)
class _Timed:
    """A size of the networks on a canvas, with the seconds of a step of each."""

    name: str
    recipe: FitRecipe
    autoencoder_s: float
    flow_s: float


def suggest_recipe(folder: SnapshotFolder, hours: float, device: str, clock: Clock = time.monotonic) -> Suggestion:
    """Choose the largest networks that learn enough in `hours`, timing a few steps of each candidate.

    Raises BadInput for a snapshot without training images.
    """
    size, images = FitSize.of(folder), sum(row.origin == "real" for row in folder.rows("train"))
    if not images:
        raise BadInput(f"snapshot {folder.name!r} has no real training images: there is nothing to fit.")
    budget_s = hours * 3_600 * SPARE
    timed, tried, enough = _choose(size, budget_s, device, clock)
    recipe, passes = _with_steps(timed, budget_s, images)
    estimate = estimate_from(recipe, size, device, timed.autoencoder_s, timed.flow_s)
    warning = None
    if not enough:
        least = _seconds_needed(timed)
        warning = (
            f"{hours:g} h are too short here: expect blurred images. The smallest networks want "
            f"{AUTOENCODER_STEPS:,} and {FLOW_STEPS:,} steps, about {duration_words(least / SPARE)}."
        )
    return Suggestion(recipe, tuple(_reasons(recipe, timed, size, images, tried, passes)), estimate, warning)


def _choose(size: FitSize, budget_s: float, device: str, clock: Clock) -> tuple[_Timed, list[str], bool]:
    """Time candidates from the largest; return the first that gets its steps, else the smallest there is."""
    tried: list[str] = []
    smaller = [side for side in CANVASES if side < min(size.height, size.width)]
    canvases: list[CanvasSize] = ["pad", *smaller]
    for canvas in canvases:
        for name in SIZES:
            if name == "tiny" and canvas != canvases[-1]:
                continue
            is_last = name == "tiny"
            try:
                timed = _time(name, canvas, size, budget_s, device, clock, is_last)
            except TooSlow:
                tried.append(f"{name} at {_canvas_words(canvas, size)}")
                continue
            if is_last or _seconds_needed(timed) <= budget_s:
                return timed, tried, _seconds_needed(timed) <= budget_s
            tried.append(f"{name} at {_canvas_words(canvas, size)}")
    raise AssertionError("the smallest networks are always timed")


def _time(
    name: str, canvas: CanvasSize, size: FitSize, budget_s: float, device: str, clock: Clock, is_last: bool
) -> _Timed:
    autoencoder, flow = SIZES[name]
    recipe = FitRecipe(
        canvas=canvas,
        precision="bfloat16" if device == "cuda" else "float32",
        autoencoder=AutoencoderRecipe(block_out_channels=autoencoder, ema_decay=0.998),
        flow=FlowRecipe(block_out_channels=flow, batch_size=48, ema_decay=0.997),
    )
    # The first step warms up and takes longer: only what is far too slow is given up after it.
    patience = (None, None) if is_last else (5 * budget_s / AUTOENCODER_STEPS, 5 * budget_s / FLOW_STEPS)
    first = time_autoencoder(recipe, size, device, clock, patience[0])
    return _Timed(name, recipe, first, time_flow(recipe, size, device, clock, patience[1]))


def _seconds_needed(timed: _Timed) -> float:
    """Seconds until both networks have taken the steps below which a fit is not worth its time."""
    return max(
        timed.autoencoder_s * AUTOENCODER_STEPS / AUTOENCODER_SHARE,
        timed.flow_s * FLOW_STEPS / (1 - AUTOENCODER_SHARE),
    )


def _with_steps(timed: _Timed, budget_s: float, images: int) -> tuple[FitRecipe, bool]:
    """Fill the time with steps, up to so many passes over the images; tell whether these were the limit."""
    recipe = timed.recipe
    in_time = (
        budget_s * AUTOENCODER_SHARE / timed.autoencoder_s,
        budget_s * (1 - AUTOENCODER_SHARE) / timed.flow_s,
    )
    most = (
        max(AUTOENCODER_STEPS, MOST_PASSES * images // recipe.autoencoder.batch_size),
        max(FLOW_STEPS, MOST_PASSES * images // recipe.flow.batch_size),
    )
    steps = [max(1, int(min(wanted, limit))) for wanted, limit in zip(in_time, most, strict=True)]
    warmup = {"warmup_steps": max(1, min(100, min(steps) // 10))}
    changes = {
        "autoencoder": recipe.autoencoder.model_copy(update={"steps": steps[0], **warmup}),
        "flow": recipe.flow.model_copy(update={"steps": steps[1], **warmup}),
        "grid_every": max(1, max(steps) // EVALUATIONS),
    }
    return recipe.model_copy(update=changes), any(step == limit for step, limit in zip(steps, most, strict=True))


def _canvas_words(canvas: CanvasSize, size: FitSize) -> str:
    return f"{size.height} x {size.width}" if canvas == "pad" else f"{canvas} x {canvas}"


def _reasons(
    recipe: FitRecipe, timed: _Timed, size: FitSize, images: int, tried: list[str], by_passes: bool
) -> list[str]:
    """Say of each choice what it rests on."""
    autoencoder, flow = recipe.autoencoder, recipe.flow
    lines = [
        f"{timed.name} networks: channels {autoencoder.block_out_channels} and {flow.block_out_channels}; a step took "
        f"{timed.autoencoder_s:.2g} s and {timed.flow_s:.2g} s here",
        f"images at {_canvas_words(recipe.canvas, size)}, "
        + ("their own size" if recipe.canvas == "pad" else "resized, and back when drawn: finer detail is lost"),
        f"batches of {autoencoder.batch_size} and {flow.batch_size}: those of the shipped generator",
        f"{autoencoder.steps:,} and {flow.steps:,} steps: half of the time each; {AUTOENCODER_STEPS:,} and "
        f"{FLOW_STEPS:,} are the least that is worth it",
        f"precision {recipe.precision}; bfloat16 pays where the hardware multiplies in it",
        "no mirrored images: set horizontal_flip where left and right mean the same",
    ]
    if tried:
        lines.insert(1, f"too slow for the time: {', '.join(tried)}")
    if by_passes:
        lines.append(f"no more than {MOST_PASSES} passes over {images:,} images: more would teach them by heart")
    return lines
