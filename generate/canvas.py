"""Convert stored pixels (N, H, W, C) uint8 to network images (N, C, H', W') in [-1, 1], and back."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where an image of `height` by `width` lies on the network's canvas: centred with edges repeated, or resized."""

    height: int
    width: int
    canvas_height: int
    canvas_width: int
    fit: Literal["pad", "resize"] = "pad"

    @classmethod
    def plan(cls, height: int, width: int, canvas: Literal["pad"] | int, multiple: int) -> "Canvas":
        """Plan the smallest canvas with sides a multiple of `multiple` around the image or a square of `canvas`."""
        sides = (height, width) if canvas == "pad" else (canvas, canvas)
        canvas_height, canvas_width = (-(-side // multiple) * multiple for side in sides)
        return cls(height, width, canvas_height, canvas_width, "pad" if canvas == "pad" else "resize")

    def _margins(self) -> tuple[int, int, int, int]:
        """The padding (left, right, top, bottom) in pixels."""
        across, down = self.canvas_width - self.width, self.canvas_height - self.height
        return across // 2, across - across // 2, down // 2, down - down // 2

    def to_canvas(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Convert (N, H, W, C) uint8 to (N, C, H', W') float32 in [-1, 1]."""
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        if self.fit == "pad":
            return F.pad(images, self._margins(), mode="replicate")
        size = (self.canvas_height, self.canvas_width)
        return F.interpolate(images, size, mode="bilinear", antialias=True).contiguous()

    def from_canvas(self, images: torch.Tensor) -> torch.Tensor:
        """Take (N, C, H, W) images, clamped to [-1, 1], out of (N, C, H', W')."""
        if self.fit == "pad":
            left, _, top, _ = self._margins()
            images = images[:, :, top : top + self.height, left : left + self.width]
        else:
            images = F.interpolate(images, (self.height, self.width), mode="bilinear", antialias=True)
        return images.clamp(-1.0, 1.0)


def to_uint8(images: torch.Tensor) -> NDArray[np.uint8]:
    """Convert (N, C, H, W) in [-1, 1] to (N, H, W, C) uint8, rounded to the nearest level."""
    levels = images.float().add(1.0).mul(127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
