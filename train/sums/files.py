"""Files of sums: numbers as safetensors, the rest as JSON in their header. Reading executes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from curation.errors import BadInput, NotFound
from curation.files import whole_file

ENTRY = "rounds"


def write_tensors(path: Path, tensors: dict[str, NDArray[Any]], about: dict[str, Any]) -> None:
    """Write arrays with JSON in the header, whole or not at all."""
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    with whole_file(path) as partial:
        partial.write_bytes(save(whole, metadata={ENTRY: json.dumps(about, sort_keys=True)}))


def read_tensors(path: Path, expected: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read JSON and arrays; raises NotFound without the file, BadInput where it is no file of the format `expected`."""
    if not path.is_file():
        raise NotFound(f"no file {path}. Name a file of sums.")
    try:
        with safe_open(path, framework="np") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, ValueError, RecursionError, OSError) as error:
        raise BadInput(f"{path}: expected a file of {expected}, got one that cannot be read: {error}.") from error
    if not isinstance(about, dict) or about.get("format") != expected:
        raise BadInput(f"{path}: expected a file of {expected}, got another one. Name a file of sums.")
    return about, tensors
