"""Randomness that belongs to the thing it makes: one generator per image, one per fitting step.

Always on the CPU, so that every device starts from the same noise, and derived by SHA-256, so that neighbouring
seeds share nothing.
"""

import hashlib

import torch


def _seeded(key: str) -> torch.Generator:
    digest = hashlib.sha256(key.encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def image_generator(seed: int, index: int) -> torch.Generator:
    """The generator of image `index` of a batch: it depends on neither batch size, worker nor restart."""
    return _seeded(f"rounds/image/{seed}/{index}")


def step_generator(seed: int, phase: str, step: int) -> torch.Generator:
    """The generator of one fitting step: a resumed fit draws what an uninterrupted one would have drawn."""
    return _seeded(f"rounds/fit/{seed}/{phase}/{step}")
