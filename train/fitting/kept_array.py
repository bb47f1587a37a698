"""An array that a step of a longer work leaves for the next call; it says what it belongs to."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from curation.errors import Conflict, Damaged
from curation.files import whole_file

ENTRY = "array"


def write_kept_array(path: Path, array: NDArray[Any], belongs_to: str) -> None:
    """Write `array` and what it belongs to, whole or not at all."""
    with whole_file(path) as partial:
        save_file({ENTRY: np.ascontiguousarray(array)}, partial, metadata={"belongs_to": belongs_to})


def read_kept_array(path: Path, belongs_to: str) -> NDArray[Any] | None:
    """Read what `write_kept_array` wrote; None without a file, or for one of release 0.1, which does not say it.

    Raises Conflict when it belongs to something else, Damaged when it does not load.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            owner = (file.metadata() or {}).get("belongs_to")
            array: NDArray[Any] | None = file.get_tensor(ENTRY) if owner == belongs_to else None
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{path} does not load: {error}. Delete it; it is made again.") from error
    if owner not in (None, belongs_to):
        raise Conflict(f"{path} was made from other weights or images than these. Delete it; it is made again.")
    return array
