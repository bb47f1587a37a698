"""Turn stored pixels into what a backbone expects, as its `preprocessor_config.json` says."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from curation.errors import BadInput
from curation.image_store import Pixels
from train.backbones.processor_config import FILE, PLAIN, ProcessorConfig, read_json, read_processor_config

FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}  # Pillow's numbers
FILTER_NUMBERS = {name: number for number, name in FILTERS.items()}
OF_TORCH = ("bilinear", "bicubic")  # with antialiasing these are Pillow's filters; the others are left to Pillow
BYTE_RANGE = 255.0
STRETCHED = (
    "the reference crops the centre; here the whole image is stretched to {} x {}, since a crop would hide what lies "
    "at the border. Features differ from those of the reference"
)
Resize = Literal["stretch", "shortest_edge", "longest_edge", "within"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Size, channel count and normalisation of a backbone's input.

    `size` is the height and width that an image is stretched to; otherwise its sides keep their proportion: the shorter
    or the longer one becomes `size`, or both stay within it. `pad` is the size that zeros fill up below and at the
    right, after normalisation. `note` says where the reference does otherwise. `is_read_anew` marks a file that release
    0.1 read otherwise, and another size than that of the file.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: str
    scale: float
    num_channels: int
    offset: float = 0.0
    resize: Resize = "stretch"
    pad: tuple[int, int] | None = None
    note: str | None = field(default=None, compare=False)
    is_read_anew: bool = field(default=False, compare=False)

    @classmethod
    def read(cls, directory: Path, num_channels: int) -> Self:
        """Read `preprocessor_config.json`; what it leaves out is what transformers' processor of its type takes.

        Where the model crops the centre after resizing, the whole image is resized to the cropped size instead: a
        centre crop would hide what lies at the border of a medical image. Raises BadInput that names the entry which is
        missing or not understood.
        """
        path = directory / FILE
        config = read_processor_config(directory)
        if config.resample not in FILTERS:
            raise BadInput(f"{path}: resample: expected one of {FILTERS}, got {config.resample!r}.")
        resize, size = _plan_resize(path, config)
        read = cls(
            size=size,
            mean=_per_channel(path, "image_mean", config.mean, num_channels),
            std=_per_channel(path, "image_std", config.std, num_channels),
            resample=FILTERS[config.resample],
            scale=BYTE_RANGE * (1.0 if config.rescale_factor is None else config.rescale_factor),
            num_channels=num_channels,
            offset=config.rescale_offset,
            resize=resize,
            pad=_plan_pad(path, config, size),
            note=STRETCHED.format(*size) if _crops(config) else None,
        )
        return replace(read, is_read_anew=not _was_read_alike(read, read_json(path, "size")))

    def squared(self, input_size: int) -> Self:
        """The same with images stretched to a square of `input_size` pixels."""
        size = (input_size, input_size)
        if input_size < 1:
            raise BadInput(f"input size: expected a whole number of pixels above 0, got {input_size}.")
        if self.size == size and self.resize == "stretch" and self.pad in (None, size):
            return self
        note = self.note and STRETCHED.format(*size)
        return replace(self, size=size, resize="stretch", pad=None, note=note, is_read_anew=True)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input that a square image becomes."""
        return self.pad or self.resized(max(self.size), max(self.size))

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The height and width that an image is resized to, rounded as transformers rounds them."""
        if self.resize == "stretch":
            return self.size
        short, rounding = self.size[0], 0.0
        if self.resize == "shortest_edge":
            return (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
        if self.resize == "longest_edge":
            share, rounding = self.size[0] / max(height, width), 0.5
        else:
            share = min(self.size[0] / height, self.size[1] / width)
        return max(1, int(height * share + rounding)), max(1, int(width * share + rounding))

    def as_config(self) -> dict[str, Any]:
        """The content of `preprocessor_config.json`."""
        size = {
            "stretch": {"height": self.size[0], "width": self.size[1]},
            "shortest_edge": {"shortest_edge": self.size[0]},
            "longest_edge": {"longest_edge": self.size[0]},
            "within": {"max_height": self.size[0], "max_width": self.size[1]},
        }
        config = {
            "image_processor_type": PLAIN,
            "do_resize": True,
            "size": size[self.resize],
            "resample": FILTER_NUMBERS[self.resample],
            "do_rescale": True,
            "rescale_factor": self.scale / BYTE_RANGE,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }
        if self.pad:
            config |= {"do_pad": True, "pad_size": {"height": self.pad[0], "width": self.pad[1]}}
        if self.resize == "longest_edge":
            config |= {"image_processor_type": "SamImageProcessor", "do_pad": self.pad is not None}
        if self.offset:
            config |= {"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True}
            config |= {"include_top": False}
        return config

    def __call__(self, pixels: Pixels) -> Tensor:
        """(N, H, W, C) uint8 or uint16 to (N, num_channels, h, w) float32, normalised; gray is repeated."""
        if pixels.ndim != 4 or pixels.dtype not in (np.uint8, np.uint16):
            raise BadInput(f"expected pixels (N, H, W, C) uint8 or uint16, got {pixels.shape} {pixels.dtype}.")
        if pixels.shape[3] not in (1, self.num_channels):
            accepted = "1 channel" if self.num_channels == 1 else f"1 or {self.num_channels} channels"
            raise BadInput(f"expected images of {accepted}, got {pixels.shape[3]}. Choose another backbone.")
        unit = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max).permute(0, 3, 1, 2)
        size = self.resized(pixels.shape[1], pixels.shape[2])
        if unit.shape[2:] != size:
            unit = _resample(unit, size, self.resample).clamp(0.0, 1.0)
        mean = torch.tensor(self.mean)[:, None, None]
        std = torch.tensor(self.std)[:, None, None]
        normalised = (unit.expand(-1, self.num_channels, -1, -1) * self.scale + self.offset - mean) / std
        if self.pad is None:
            return normalised
        if size[0] > self.pad[0] or size[1] > self.pad[1]:
            raise BadInput(
                f"images of {pixels.shape[1]} x {pixels.shape[2]} become {size[0]} x {size[1]}, more than the pad_size "
                f"{self.pad[0]} x {self.pad[1]} of the backbone. Raise pad_size, or write height and width as size."
            )
        return functional.pad(normalised, (0, self.pad[1] - size[1], 0, self.pad[0] - size[0]))


def _resample(unit: Tensor, size: tuple[int, int], resample: str) -> Tensor:
    """Resize (N, C, h, w) in [0, 1] with a filter of Pillow, which widens it where the image shrinks."""
    if resample in OF_TORCH:
        return functional.interpolate(unit, size, mode=resample, antialias=True)
    planes = [Image.fromarray(plane) for plane in unit.flatten(0, 1).numpy()]
    resized = [np.asarray(plane.resize(size[::-1], FILTER_NUMBERS[resample])) for plane in planes]
    return torch.from_numpy(np.array(resized)).reshape(*unit.shape[:2], *size)


def _plan_resize(path: Path, config: ProcessorConfig) -> tuple[Resize, tuple[int, int]]:
    """How images are resized: a crop of the centre and ConvNeXt's square both become a stretched whole image."""
    sides = config.crop_size or config.size
    if set(sides) == {"height", "width"}:
        return "stretch", (sides["height"], sides["width"])
    if set(sides) == {"max_height", "max_width"}:
        return "within", (sides["max_height"], sides["max_width"])
    if set(sides) == {"longest_edge"} and config.type_name == "SamImageProcessor":
        return "longest_edge", (sides["longest_edge"],) * 2
    if set(sides) == {"shortest_edge"}:
        square = config.crop_size is not None or config.type_name == "ConvNextImageProcessor"
        return "stretch" if square else "shortest_edge", (sides["shortest_edge"],) * 2
    raise BadInput(
        f"{path}: size {sides} is not understood with {config.type_name}. Write height and width, shortest_edge, or "
        "max_height and max_width."
    )


def _crops(config: ProcessorConfig) -> bool:
    """Whether the reference crops the centre; ConvNeXt's does below 384 pixels, by a share of its own."""
    of_convnext = config.type_name == "ConvNextImageProcessor" and config.size.get("shortest_edge", 384) < 384
    return config.crop_size is not None or of_convnext


def _plan_pad(path: Path, config: ProcessorConfig, size: tuple[int, int]) -> tuple[int, int] | None:
    if config.pad_size is None:
        return None
    pad = config.pad_size.get("height", 0), config.pad_size.get("width", 0)
    if pad[0] < size[0] or pad[1] < size[1]:
        raise BadInput(
            f"{path}: pad_size: expected height and width of at least the size {size[0]} x {size[1]}, got "
            f"{config.pad_size}."
        )
    return pad


def _per_channel(path: Path, entry: str, value: float | tuple[float, ...], num_channels: int) -> tuple[float, ...]:
    values = value if isinstance(value, tuple) else (value,) * num_channels
    if len(values) != num_channels:
        raise BadInput(f"{path}: expected {entry} of {num_channels} channels, got {len(values)}.")
    return values


def _was_read_alike(read: Preprocessing, content: dict[str, Any]) -> bool:
    """Whether release 0.1 read the same: it left out what the file does not say, and stretched every image.

    Its features and runs are told from new ones by the backbone's digest, which changes only where the values do.
    """
    is_normalized = content.get("do_normalize", True) and "image_mean" in content
    mean, std = (content["image_mean"], content.get("image_std")) if is_normalized else (0.0, 1.0)
    alike = Preprocessing(
        read.size,
        tuple(mean) if isinstance(mean, list) else (mean,) * read.num_channels,
        tuple(std) if isinstance(std, list) else (std,) * read.num_channels,
        {2: "bilinear", 3: "bicubic"}.get(content.get("resample", 2), "bilinear"),
        BYTE_RANGE * (content.get("rescale_factor", 1 / BYTE_RANGE) if content.get("do_rescale", True) else 1.0),
        read.num_channels,
    )
    return read == alike
