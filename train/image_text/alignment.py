"""Fit the projections that align two towers, and the text tower where it is not locked."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from curation.progress import OnProgress
from train.backbones.text_tower import TextTower
from train.fitting.checkpoint import Checkpoint
from train.fitting.phase import FitProgress, Phase
from train.fitting.schedules import warmup_cosine
from train.fitting.seeding import step_generator
from train.image_text.losses import info_nce, same_captions, sigmoid_loss
from train.image_text.pairs import Pairs
from train.image_text.projections import Projections
from train.image_text.recipe import AlignmentRecipe

PHASE = "alignment"


@dataclass(frozen=True, slots=True)
class TowerPairs:
    """Pairs as the fit uses them: features of the locked image tower, and captions by number."""

    images: Tensor  # (N, Di)
    numbers: Tensor  # (N,) int64, of the captions
    captions: list[str]

    @classmethod
    def of(cls, pairs: Pairs, features: NDArray[np.float32], device: str) -> "TowerPairs":
        """Put the features (N, Di) of the pairs' images on a device."""
        return cls(torch.from_numpy(features).to(device), torch.from_numpy(pairs.numbers).to(device), pairs.captions)


class AlignmentFit(nn.Module):
    """The projections and, where it trains, the text tower; a locked one has read every caption once."""

    def __init__(self, recipe: AlignmentRecipe, image_dimension: int, text: TextTower, read: dict[str, Tensor]) -> None:
        super().__init__()
        self.recipe, self.text = recipe, text
        self.projections = Projections(image_dimension, text.dimension, recipe)
        if recipe.train_text_tower:
            self.text_model = text.model
        self._read = read

    def text_features(self, captions: list[str]) -> Tensor:
        """Features (N, Dt) of captions: of a trained tower with gradients, of a locked one as they were read."""
        if self.recipe.train_text_tower:
            return self.text.pooled(captions)
        return torch.stack([self._read[caption] for caption in captions])

    def loss(self, pairs: TowerPairs, chosen: Tensor) -> Tensor:
        """The contrastive loss of the pairs at `chosen` (B,)."""
        numbers = pairs.numbers[chosen]
        images = self.projections.images(pairs.images[chosen])
        texts = self.projections.texts(self.text_features([pairs.captions[number] for number in numbers.tolist()]))
        same, scale = same_captions(numbers), self.projections.scale
        if self.recipe.loss == "sigmoid":
            return sigmoid_loss(images, texts, scale, self.projections.bias, same)
        return info_nce(images, texts, scale, same)


def fit_alignment(
    recipe: AlignmentRecipe,
    train: TowerPairs,
    validation: TowerPairs | None,
    text: TextTower,
    device: str,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> tuple[Projections, list[dict[str, float]]]:
    """Fit on the training pairs, from `checkpoint` if there is one; returns the last weights and the losses.

    The loss on validation pairs is noted and chooses nothing, so figures on them stay honest. A text tower that trains
    is changed in place.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        captions = list(dict.fromkeys([*train.captions, *(validation.captions if validation else [])]))
        written = torch.from_numpy(text.features(captions)).to(device)
        model = AlignmentFit(recipe, train.images.shape[1], text, dict(zip(captions, written, strict=True))).to(device)
        model.projections.standardised_by(train.images, written[: len(train.captions)][train.numbers])
        phase = Phase(
            PHASE,
            model,
            _optimizer(model, recipe),
            recipe.steps,
            learning_rate=lambda step, initial: initial * warmup_cosine(step, recipe.warmup_steps, recipe.steps),
            checkpoint=checkpoint,
            remedy=f"Lower learning_rate, now {recipe.learning_rate:g}, in the recipe and repeat.",
        )
        _run(phase, model, recipe, train, validation, on_progress)
    return model.projections, [{"step": float(step), **losses} for step, losses in phase.evaluations]


def _run(
    phase: Phase,
    model: AlignmentFit,
    recipe: AlignmentRecipe,
    train: TowerPairs,
    validation: TowerPairs | None,
    on_progress: OnProgress,
) -> None:
    def objective(step: int) -> Tensor:
        return model.loss(train, _choose(len(train.numbers), recipe, step))

    @torch.inference_mode()
    def evaluate(step: int) -> dict[str, float]:
        losses = {"train": float(np.mean(phase.recent_losses))}
        if validation is None:
            return losses
        every = torch.arange(len(validation.numbers))[: recipe.batch_size]
        return losses | {"validation": float(model.loss(validation, every))}

    def report(progress: FitProgress) -> None:
        on_progress(progress.step, progress.steps, f"loss {progress.loss:.4f}")

    every = max(1, recipe.steps // recipe.evaluations)
    phase.run(objective, evaluate, report, evaluate_every=every, report_every=every, checkpoint_every=every)


def _choose(n_pairs: int, recipe: AlignmentRecipe, step: int) -> Tensor:
    """Choose the pairs of a step, without repeats: (B,), a function of seed and step alone."""
    order = torch.randperm(n_pairs, generator=step_generator(recipe.seed, PHASE, step))
    return order[: recipe.batch_size]


def _optimizer(model: AlignmentFit, recipe: AlignmentRecipe) -> torch.optim.Optimizer:
    """AdamW; temperature and bias do not decay, and a text tower has a rate of its own."""
    scalars = [model.projections.log_scale, *([model.projections.bias] if recipe.loss == "sigmoid" else [])]
    matrices = [model.projections.image.weight, model.projections.text.weight]
    groups = [
        {"params": matrices, "lr": recipe.learning_rate, "weight_decay": recipe.weight_decay},
        {"params": scalars, "lr": recipe.learning_rate, "weight_decay": 0.0},
    ]
    if recipe.train_text_tower:
        groups.append(
            {"params": list(model.text.model.parameters()), "lr": recipe.text_learning_rate, "weight_decay": 0.01}
        )
    return torch.optim.AdamW(groups)


def checkpoint_of(out: Path, fit: str) -> Checkpoint:
    """The checkpoint of an unfinished alignment in `out`."""
    return Checkpoint(out / "fit" / "checkpoint.pt", fit)
