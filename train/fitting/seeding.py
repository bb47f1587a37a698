"""One random generator for each key or step, and torch's own random state for checkpoints.

Generators are on the CPU, so that every device starts from the same noise. Seeds are derived by SHA-256, so that
neighbouring ones share nothing.
"""

import hashlib
from typing import Any

import torch


def seeded_generator(key: str) -> torch.Generator:
    """Make the random generator that belongs to `key`."""
    digest = hashlib.sha256(key.encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def step_generator(seed: int, phase: str, step: int) -> torch.Generator:
    """Make the generator of one fitting step, so that a resumed fit draws the same numbers."""
    return seeded_generator(f"rounds/fit/{seed}/{phase}/{step}")


def get_global_random_state() -> dict[str, Any]:
    """Return the state of torch's own generators, from which dropout draws."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def set_global_random_state(state: dict[str, Any]) -> None:
    """Set torch's own generators to what `get_global_random_state` returned, on the devices still present."""
    torch.set_rng_state(state["cpu"])
    for device, of_device in zip(range(torch.cuda.device_count()), state["cuda"], strict=False):
        torch.cuda.set_rng_state(of_device, device)
