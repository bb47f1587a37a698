"""Tell when a device or the machine has no memory left."""

import torch


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch could not allocate, on a GPU or on the processor."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_cached_memory() -> None:
    """Give back what torch keeps of a GPU's memory for later use."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
