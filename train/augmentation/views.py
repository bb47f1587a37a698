"""Views of images: each is changed at random as its preset allows, from one generator."""

import numpy as np
import torch

from curation.image_store import Pixels
from train.augmentation.presets import PRESETS
from train.augmentation.transforms import make_transform


class Augmentation:
    """A preset for images of one size."""

    def __init__(self, preset: str, size: tuple[int, int]) -> None:
        self.transform = make_transform(PRESETS[preset], size)

    def views(self, pixels: Pixels, generator: torch.Generator) -> Pixels:
        """Change each of (N, H, W, C) uint8 or uint16, by numbers of its own; the result has the same depth."""
        full_scale = np.iinfo(pixels.dtype).max
        seeds = torch.randint(2**31, (len(pixels),), generator=generator).tolist()
        views = np.empty_like(pixels)
        for place, (image, seed) in enumerate(zip(pixels, seeds, strict=True)):
            unit = torch.from_numpy(image.astype(np.float32) / full_scale).permute(2, 0, 1)
            view = self.transform.set_random_state(seed=seed)(unit).clamp(0.0, 1.0)
            views[place] = np.rint(view.permute(1, 2, 0).numpy() * full_scale)
        return views
