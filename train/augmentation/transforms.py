"""The changes that presets are made of, as transforms of MONAI on images (C, H, W) in [0, 1]."""

import math
from collections.abc import Callable
from typing import Any

import monai.transforms as mt
import torch
from monai.data import set_track_meta
from torch import Tensor

from train.augmentation.presets import Preset

# Optical density of haematoxylin, eosin and DAB in red, green, blue (Ruifrok & Johnston 2001), each of length 1.
STAINS = torch.nn.functional.normalize(
    torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]), dim=1
)
LEAST_LIGHT = 1 / 255  # a value of 0 has no logarithm


def place(size: tuple[int, int], turn: float, shift: float, zoom: float) -> mt.Transform:
    """Turn by up to `turn` degrees, shift by a share of the side, zoom; the border goes on outwards."""
    return mt.RandAffine(
        prob=1.0,
        rotate_range=math.radians(turn),
        translate_range=tuple(shift * side for side in size),
        scale_range=zoom,
        padding_mode="border",
    )


def gamma(size: tuple[int, int], range: tuple[float, float]) -> mt.Transform:
    """Bend the scale of values by a gamma within the range."""
    return mt.RandAdjustContrast(prob=0.5, gamma=range)


def shading(size: tuple[int, int], range: tuple[float, float]) -> mt.Transform:
    """Multiply with a smooth field, as an uneven receiver coil does."""
    return mt.RandBiasField(prob=0.3, coeff_range=range)


def exposure(size: tuple[int, int], share: float) -> mt.Transform:
    """Multiply all values by a factor within 1 plus or minus the share, every channel by its own."""
    return mt.RandScaleIntensity(factors=share, prob=0.5, channel_wise=True)


def noise(size: tuple[int, int], std: float) -> mt.Transform:
    """Add normal noise of a deviation of up to `std`."""
    return mt.RandGaussianNoise(prob=0.5, std=std)


def blur(size: tuple[int, int], range: tuple[float, float]) -> mt.Transform:
    """Blur by a Gaussian whose deviation in pixels is within the range; the border goes on outwards."""
    margin = math.ceil(4 * range[1])  # beyond it the Gaussian is cut off, and MONAI's sees zeros outside
    return mt.Compose(
        [
            mt.BorderPad(margin, mode="edge"),
            mt.RandGaussianSmooth(prob=0.3, sigma_x=range, sigma_y=range),
            mt.CenterSpatialCrop(size),
        ]
    )


def mirror(size: tuple[int, int]) -> mt.Transform:
    """Mirror across each axis half of the time."""
    return mt.Compose([mt.RandFlip(prob=0.5, spatial_axis=0), mt.RandFlip(prob=0.5, spatial_axis=1)])


def quarter_turns(size: tuple[int, int]) -> mt.Transform:
    """Turn by 90, 180 or 270 degrees three times out of four; an image that is not square by 180 alone."""
    if size[0] == size[1]:
        return mt.RandRotate90(prob=0.75, max_k=3)
    return mt.RandFlip(prob=0.5, spatial_axis=(0, 1))


class StainJitter(mt.RandomizableTransform):
    """Change how much of each stain an image of three channels has; one channel changes in density alone.

    Tellez et al. 2018, doi:10.1109/TMI.2018.2820199: every stain's density is multiplied by 1 plus or minus `strength`,
    and moved by up to `strength`.
    """

    def __init__(self, strength: float) -> None:
        super().__init__(prob=1.0)
        self.strength = strength

    def __call__(self, image: Tensor) -> Tensor:
        """(C, H, W) in [0, 1] to the same."""
        stains = STAINS if len(image) == 3 else torch.eye(len(image))
        factor, shift = torch.from_numpy(self.R.uniform(-self.strength, self.strength, (2, len(stains), 1))).float()
        density = -torch.log(image.clamp(min=LEAST_LIGHT)).flatten(1)  # (C, H·W)
        amounts = torch.linalg.solve(stains.T, density) * (1 + factor) + shift
        return torch.exp(-(stains.T @ amounts)).reshape(image.shape)


def stain(size: tuple[int, int], strength: float) -> mt.Transform:
    """Change the amounts of the stains."""
    return StainJitter(strength)


CHANGES: dict[str, Callable[..., Any]] = {
    change.__name__: change for change in (place, gamma, shading, exposure, noise, blur, mirror, quarter_turns, stain)
}


def make_transform(preset: Preset, size: tuple[int, int]) -> mt.Compose:
    """Make the changes of a preset for images of this height and width."""
    set_track_meta(False)  # positions in space are not needed, and to keep them costs more than the changes
    return mt.Compose([CHANGES[name](size, **settings) for name, settings in preset.changes])
