"""One random generator per generated image."""

import torch

from train.fitting.seeding import seeded_generator


def image_generator(seed: int, index: int) -> torch.Generator:
    """Make the generator of image `index` of a batch, whatever the batch size, worker or restart."""
    return seeded_generator(f"rounds/image/{seed}/{index}")
