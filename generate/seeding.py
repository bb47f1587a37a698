"""One random generator per generated image."""

import torch

from train.fitting.seeding import seeded_generator


def image_generator(seed: int, index: int) -> torch.Generator:
    """The generator of image `index` of a batch: it depends on neither batch size, worker nor restart."""
    return seeded_generator(f"rounds/image/{seed}/{index}")
