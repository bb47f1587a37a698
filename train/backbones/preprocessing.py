"""Turn stored pixels into what a backbone expects, as its `preprocessor_config.json` says."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from curation.errors import BadInput
from curation.image_store import Pixels

INTERPOLATION = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # Pillow's resampling numbers
BYTE_RANGE = 255.0


def _height_and_width(size: Any) -> tuple[int, int]:
    if isinstance(size, dict):
        sides: dict[str, Any] = {"height": size.get("shortest_edge"), "width": size.get("shortest_edge")} | size
        return int(sides["height"]), int(sides["width"])
    return int(size), int(size)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Size, channel count and normalisation of a backbone's input."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: str
    scale: float
    num_channels: int

    @classmethod
    def read(cls, directory: Path, num_channels: int) -> Self:
        """Read `preprocessor_config.json`; steps that it turns off (`do_normalize`, `do_rescale`) are left out.

        Where the model crops the centre after resizing, the whole image is resized to the cropped size instead: a
        centre crop would hide what lies at the border of a medical image.
        """
        path = directory / "preprocessor_config.json"
        if not path.is_file():
            raise BadInput(
                f"{directory}: expected preprocessor_config.json (size, mean, std). Save it beside the weights."
            )
        config = json.loads(path.read_text())
        size = config.get("crop_size") if config.get("do_center_crop") else None
        size = size or config.get("size")
        if size is None:
            raise BadInput(f"{path}: expected a size, got none. Add the input size that the model was trained at.")
        normalize = config.get("do_normalize", True) and "image_mean" in config
        mean = _per_channel(config["image_mean"] if normalize else 0.0, num_channels)
        std = _per_channel(config["image_std"] if normalize else 1.0, num_channels)
        scale = BYTE_RANGE * (config.get("rescale_factor", 1 / BYTE_RANGE) if config.get("do_rescale", True) else 1.0)
        resample = INTERPOLATION.get(config.get("resample", 2), "bilinear")
        return cls(_height_and_width(size), mean, std, resample, scale, num_channels)

    def as_config(self) -> dict[str, Any]:
        """The content of `preprocessor_config.json`."""
        return {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": self.size[0], "width": self.size[1]},
            "resample": {name: number for number, name in INTERPOLATION.items()}[self.resample],
            "do_rescale": True,
            "rescale_factor": self.scale / BYTE_RANGE,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }

    def __call__(self, pixels: Pixels) -> Tensor:
        """(N, H, W, C) uint8 or uint16 to (N, num_channels, h, w) float32, normalised; gray is repeated."""
        if pixels.ndim != 4 or pixels.dtype not in (np.uint8, np.uint16):
            raise BadInput(f"expected pixels (N, H, W, C) uint8 or uint16, got {pixels.shape} {pixels.dtype}.")
        if pixels.shape[3] not in (1, self.num_channels):
            raise BadInput(
                f"expected images of 1 or {self.num_channels} channels, got {pixels.shape[3]}. Choose another backbone."
            )
        unit = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max).permute(0, 3, 1, 2)
        if unit.shape[2:] != self.size:
            antialias = self.resample != "nearest"
            unit = functional.interpolate(unit, self.size, mode=self.resample, antialias=antialias).clamp(0.0, 1.0)
        mean = torch.tensor(self.mean)[:, None, None]
        std = torch.tensor(self.std)[:, None, None]
        return (unit.expand(-1, self.num_channels, -1, -1) * self.scale - mean) / std


def _per_channel(value: Any, num_channels: int) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value] * num_channels
    if len(values) != num_channels:
        raise BadInput(f"expected image_mean and image_std of {num_channels} channels, got {len(values)}.")
    return tuple(float(entry) for entry in values)
