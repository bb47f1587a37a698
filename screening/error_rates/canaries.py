"""Canaries: real subjects planted 1, 10 and 100 times in a small fit, and a fit without them.

The canaries are known, so those that the generator reproduces can be counted, and those that the copy gate stops
(Carlini et al. 2019, "The Secret Sharer", for the planting; Carlini et al. 2023, "Extracting Training Data from
Diffusion Models", for the criterion). The generators are measured and thrown away; they are never registered.
"""

import json
import shutil
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from curation.digests import digest_of
from curation.errors import BadInput, Conflict, Diverged
from curation.requests import FrozenRequest
from curation.snapshots.folder import SnapshotFolder
from generate.card import weights_digest
from generate.latent_flow.fit import check_networks
from generate.latent_flow.fit_autoencoder import fit_autoencoder
from generate.latent_flow.fit_flow import fit_flow, make_pipeline
from generate.latent_flow.fit_images import FitImages, load_images
from generate.latent_flow.recipe import AutoencoderRecipe, FitRecipe, FlowRecipe
from generate.pipelines.latent_flow import LatentFlowPipeline
from generate.sample import image_generator, load_autoencoder
from train.fitting.kept_array import read_kept_array, write_kept_array
from train.fitting.phase import OnFitProgress

DRAW = 16
CLAIM = "plan.json"
SMALL_RECIPE = FitRecipe(
    autoencoder=AutoencoderRecipe(steps=1200, batch_size=16, block_out_channels=(32, 64), layers_per_block=1),
    flow=FlowRecipe(steps=2400, batch_size=32, block_out_channels=(64, 96), layers_per_block=1, label_drop=0.1),
    grid_every=600,
)


class CanaryPlan(FrozenRequest):
    """Which subjects are planted how often, among how many others, and how many images are generated."""

    repeats: tuple[PositiveInt, ...] = (1, 10, 100)
    per_repeat: PositiveInt = 3
    others: PositiveInt = 300
    images: Annotated[int, Field(ge=40)] = 600
    num_inference_steps: PositiveInt = 12
    guidance_scale: Annotated[float, Field(ge=1.0)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0
    recipe: FitRecipe = SMALL_RECIPE


@dataclass(frozen=True, slots=True)
class Planted:
    """The images of both fits, and where the canaries stand among `pixels`: position to repeats."""

    pixels: NDArray[np.uint8]  # (N, H, W, C): the others, then the canaries, each once
    subjects: NDArray[np.int64]  # (N,) a number for each subject
    repeats: NDArray[np.int64]  # (N,) 0 for the others
    labels: torch.Tensor  # (N,)
    file_sha256: list[str]
    with_canaries: FitImages
    without: FitImages


def plant(folder: SnapshotFolder, plan: CanaryPlan) -> Planted:
    """Choose canary subjects and others from the real training rows of a snapshot; raises BadInput when too few."""
    check_networks(folder, plan.recipe)
    images = load_images(folder, plan.recipe)
    positions_of_subject: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(images.rows):
        positions_of_subject[row.subject or row.file_sha256].append(position)
    canaries = plan.per_repeat * len(plan.repeats)
    if len(positions_of_subject) < canaries + plan.others:
        raise BadInput(
            f"snapshot {folder.name}: expected {canaries} canary subjects and {plan.others} others among its real "
            f"training subjects, got {len(positions_of_subject)} in all. Ask for fewer --others."
        )
    names = sorted(positions_of_subject)
    order = np.random.default_rng(plan.seed).permutation(len(names))[: canaries + plan.others]
    chosen = [names[number] for number in order]
    times = np.repeat(plan.repeats, plan.per_repeat).tolist() + [0] * plan.others
    entries = [
        (position, number, repeats)
        for number, (name, repeats) in enumerate(zip(chosen, times, strict=True))
        for position in positions_of_subject[name]
    ]
    entries.sort(key=lambda entry: entry[2])
    positions, subjects, repeats = (np.array(column) for column in zip(*entries, strict=True))
    others = positions[repeats == 0]
    return Planted(
        pixels=images.train[positions],
        subjects=subjects,
        repeats=repeats,
        labels=images.train_labels[torch.from_numpy(positions)],
        file_sha256=[images.rows[position].file_sha256 for position in positions],
        with_canaries=_only(images, np.concatenate([others, np.repeat(positions, repeats)])),
        without=_only(images, others),
    )


def _only(images: FitImages, positions: NDArray[np.int64]) -> FitImages:
    """The images at these positions, of equal weight: repeats alone say how often each is sampled."""
    chosen = torch.from_numpy(positions)
    return replace(
        images,
        rows=[images.rows[position] for position in positions],
        train=images.train[positions],
        train_labels=images.train_labels[chosen],
        weights=torch.ones(len(positions), dtype=torch.float64),
    )


def fit_and_generate(
    images: FitImages,
    labels: torch.Tensor,
    plan: CanaryPlan,
    out: Path,
    on_progress: OnFitProgress,
    autoencoder: Path | None = None,
) -> NDArray[np.uint8]:
    """Fit by the plan's recipe and generate its images: (N, H, W, C). After a kill it continues where it was.

    `autoencoder` is the directory of a fitted generator whose autoencoder is used; without it one is fitted too.
    Both fits are asked for the same classes: those of `labels`, in a shuffled order.
    """
    source = weights_digest(autoencoder) if autoencoder else ""
    belongs_to = digest_of([plan.model_dump(mode="json"), images.digest, labels.tolist(), source])
    drawn = out / "drawn.safetensors"
    kept = read_kept_array(drawn, belongs_to)
    if kept is not None:
        return kept
    if autoencoder is None:
        model, _ = fit_autoencoder(images, plan.recipe, out, on_progress, "cpu")
    else:
        model = load_autoencoder(autoencoder)
    unet, _ = fit_flow(images, model, plan.recipe, out, on_progress, "cpu", source)
    pipeline = make_pipeline(images, model, unet.eval())
    pixels = generate(pipeline, plan, labels)
    write_kept_array(drawn, pixels, belongs_to)
    return pixels


def fit_both(
    planted: Planted, plan: CanaryPlan, out: Path, on_progress: OnFitProgress, autoencoder: Path | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images of the fit with canaries, and those of its control without them.

    Raises Conflict when `out` holds another plan's fits, Diverged when a loss is no finite number; then `out` is free.
    """
    claim(out, planted, plan, autoencoder)
    try:
        drawn, control = (
            fit_and_generate(images, planted.labels, plan, out / name, on_progress, autoencoder)
            for name, images in (("with", planted.with_canaries), ("without", planted.without))
        )
    except Diverged:
        for name in ("with", "without"):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / CLAIM).unlink()
        raise
    return drawn, control


def claim(out: Path, planted: Planted, plan: CanaryPlan, autoencoder: Path | None) -> None:
    """Mark `out` as the place of this plan on these images; raises Conflict when it holds another plan."""
    content = {"plan": plan.model_dump(mode="json"), "images": digest_of(planted.file_sha256)}
    text = json.dumps(content | {"autoencoder": str(autoencoder or "fitted")}, indent=1, sort_keys=True) + "\n"
    path = out / CLAIM
    if path.is_file() and path.read_text() != text:
        raise Conflict(f"{out} holds canaries of another plan or snapshot. Choose another --out, or delete it.")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def generate(pipeline: LatentFlowPipeline, plan: CanaryPlan, labels: torch.Tensor) -> NDArray[np.uint8]:
    """Images (N, H, W, C) of classes taken in turn from `labels`, each from its own noise."""
    pipeline.set_progress_bar_config(disable=True)
    source = np.random.default_rng(plan.seed).permutation(labels.numpy())
    wanted = [int(source[index % len(source)]) for index in range(plan.images)]
    parts = []
    for start in range(0, len(wanted), DRAW):
        classes = wanted[start : start + DRAW]
        parts.append(
            pipeline(
                classes,
                num_inference_steps=plan.num_inference_steps,
                guidance_scale=plan.guidance_scale,
                generator=[image_generator(plan.seed, start + offset) for offset in range(len(classes))],
                output_type="uint8",
            ).images
        )
    return np.concatenate(parts)
