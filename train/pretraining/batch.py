"""What a step of pretraining is given: views and crops of a batch of images, noise for masks, labels."""

import math
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from train.pretraining.continued_recipe import ViewSettings

LONGEST_SIDE = 4 / 3  # of a crop, to its shorter one


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """The fields that objectives read; one that the objective did not ask for is None."""

    images: Tensor | None = None  # (B, C, H, W) preprocessed
    views: tuple[Tensor, Tensor] | None = None  # two of each image, (B, C, H, W)
    crops: tuple[Tensor, ...] | None = None  # small parts, each (B, C, h, w)
    noise: Tensor | None = None  # (B, T) in [0, 1): the cells with the highest are masked
    labels: Tensor | None = None  # (B,) class numbers
    progress: float | None = None  # share of the steps that are done, 0 to 1

    def require(self, needs: tuple[str, ...], objective: str) -> None:
        """Raise ValueError where a field that the objective reads is missing."""
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            held = [field.name for field in fields(self) if getattr(self, field.name) is not None]
            raise ValueError(f"{objective} needs {', '.join(missing)} in its batch, which holds {', '.join(held)}.")

    def to(self, device: torch.device) -> Self:
        """Move every tensor to `device`."""
        moved = {field.name: _move(getattr(self, field.name), device) for field in fields(self)}
        return type(self)(**moved)


def _move(value: object, device: torch.device) -> object:
    if isinstance(value, tuple):
        return tuple(part.to(device) for part in value)
    return value.to(device) if isinstance(value, Tensor) else value


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The sizes that depend on the network: cells of its feature map; side and number of local crops."""

    num_cells: int
    local_size: int = 0
    num_local_crops: int = 0


def make_batch(
    needs: tuple[str, ...],
    images: Tensor,
    labels: Tensor,
    shape: BatchShape,
    settings: ViewSettings,
    generator: torch.Generator,
    progress: float,
) -> TrainingBatch:
    """Make what an objective needs of preprocessed images (B, C, H, W) and labels (B,), drawn from `generator`."""

    def view() -> Tensor:
        areas = (settings.smallest_area, 1.0)
        return jitter(draw_crops(images, images.shape[-1], areas, settings.flip, generator), settings, generator)

    def crop() -> Tensor:
        crops = draw_crops(images, shape.local_size, settings.local_areas, settings.flip, generator)
        return jitter(crops, settings, generator)

    return TrainingBatch(
        images=view() if "images" in needs else None,
        views=(view(), view()) if "views" in needs else None,
        crops=tuple(crop() for _ in range(shape.num_local_crops)) if "crops" in needs else None,
        noise=torch.rand(len(images), shape.num_cells, generator=generator) if "noise" in needs else None,
        labels=labels if "labels" in needs else None,
        progress=progress if "progress" in needs else None,
    )


def draw_crops(images: Tensor, size: int, areas: tuple[float, float], flip: bool, generator: torch.Generator) -> Tensor:
    """Cut a random part of each of (B, C, H, W) and resize it to (B, C, size, size).

    The part covers a share of the image within `areas`, its sides in a proportion of at most 4 to 3.
    """
    area, proportion, across, down, mirror = torch.rand(5, len(images), generator=generator)
    area = areas[0] + (areas[1] - areas[0]) * area
    proportion = torch.exp((2 * proportion - 1) * math.log(LONGEST_SIDE))
    width, height = (area * proportion).sqrt().clamp(max=1), (area / proportion).sqrt().clamp(max=1)
    affine = torch.zeros(len(images), 2, 3)
    affine[:, 0, 0] = torch.where(mirror < 0.5, -width, width) if flip else width
    affine[:, 1, 1] = height
    affine[:, 0, 2] = (2 * across - 1) * (1 - width)
    affine[:, 1, 2] = (2 * down - 1) * (1 - height)
    grid = functional.affine_grid(affine, [len(images), images.shape[1], size, size], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def jitter(images: Tensor, settings: ViewSettings, generator: torch.Generator) -> Tensor:
    """Change brightness and contrast of each of (B, C, H, W) at random, all channels alike."""
    contrast, brightness = 2 * torch.rand(2, len(images), 1, 1, 1, generator=generator) - 1
    return images * (1 + settings.contrast * contrast) + settings.brightness * brightness


def choose_masked(noise: Tensor, ratio: float) -> Tensor:
    """Mask the cells of the highest noise: (B, T) to booleans (B, T), as many in every image."""
    kept = int(noise.shape[1] * (1 - ratio))
    return noise.argsort(dim=1).argsort(dim=1) >= kept
