"""Make a stock `Dinov2Model` folder of an ONNX file, which is read as data and never run.

The exporter kept the names of transformers under `backbone.`, except those of linear weights, which stand transposed at
the `MatMul` node of their layer, and of the position table, whose class part the first `Concat` of the embeddings takes
and whose patch part a `Reshape` takes. A file that does not give every weight with the right shape is refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save_file
from transformers import Dinov2Config, Dinov2Model
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from curation.errors import BadInput, Damaged
from train.backbones.load import quiet_transformers
from train.backbones.preprocessing import Preprocessing
from train.backbones.processor_config import FILE

PREFIX = "backbone."
MASK_TOKEN = "embeddings.mask_token"  # masks patches in pretraining alone, and the export leaves it out
POSITIONS = "embeddings.position_embeddings"

Weights = dict[str, NDArray[np.float32]]


def write_dinov2(onnx_file: Path, out: Path, input_size: int, config: Dinov2Config) -> None:
    """Write config.json, safetensors and preprocessing into `out`; raises BadInput for another network."""
    weights = read_weights(onnx_file)
    _check_numbers(weights, onnx_file)
    config.architectures = [Dinov2Model.__name__]
    config.save_pretrained(out)
    state = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    save_file(state, out / "model.safetensors", {"format": "pt"})
    _check_whole(out, onnx_file)
    mean, std = (tuple(values) for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    preprocessing = Preprocessing((input_size, input_size), mean, std, "bicubic", 1.0, 3)
    (out / FILE).write_text(json.dumps(preprocessing.as_config(), indent=1) + "\n")


def read_weights(onnx_file: Path) -> Weights:
    """Read the encoder's weights by the names that transformers gives them; raises Damaged for no ONNX file."""
    try:
        graph = onnx.load(onnx_file, load_external_data=False).graph
    except DecodeError as error:
        raise Damaged(f"{onnx_file.name} is no whole ONNX file ({error}). Fetch it again.") from error
    stored = {tensor.name: tensor for tensor in graph.initializer}
    weights = {
        name.removeprefix(PREFIX): numpy_helper.to_array(tensor)
        for name, tensor in stored.items()
        if name.startswith(PREFIX)
    }
    for node in graph.node:
        for path, value in _unnamed(node, stored):
            weights[path] = value
    parts = [weights.pop(f"{POSITIONS}.{part}", None) for part in ("class", "patches")]
    if all(part is not None and part.ndim == 3 for part in parts):
        weights[POSITIONS] = np.concatenate([part for part in parts if part is not None], axis=1)
    token = weights.get("embeddings.cls_token")
    if token is not None and token.ndim == 3:
        weights[MASK_TOKEN] = np.zeros(token.shape[1:], np.float32)
    return weights


def _unnamed(node: Any, stored: dict[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The weights of a node whose names the exporter dropped."""
    values = [numpy_helper.to_array(stored[name]) for name in node.input if name in stored]
    path = node.name.removeprefix("/backbone/").replace("/", ".")
    if not node.name.startswith("/backbone/") or len(values) != 1:
        return
    if node.op_type == "MatMul" and values[0].ndim == 2:
        yield f"{path.removesuffix('.MatMul')}.weight", values[0].T
    if path.startswith("embeddings.") and values[0].ndim == 3:
        if node.op_type == "Concat":
            yield f"{POSITIONS}.class", values[0]
        if node.op_type == "Reshape":
            yield f"{POSITIONS}.patches", values[0]


def _check_numbers(weights: Weights, onnx_file: Path) -> None:
    broken = sorted(
        name for name, value in weights.items() if value.dtype != np.float32 or not np.isfinite(value).all()
    )
    if broken or not weights:
        what = f"{len(broken)} weights are no finite float32, the first is {broken[0]}" if broken else "it has none"
        raise _refusal(onnx_file, what)


def _check_whole(out: Path, onnx_file: Path) -> None:
    """Let transformers load the folder; raises BadInput for a weight that is missing, foreign or of another shape."""
    with quiet_transformers():
        _, report = Dinov2Model.from_pretrained(
            out, output_loading_info=True, local_files_only=True, ignore_mismatched_sizes=True
        )
    kinds = {
        "missing_keys": "are missing",
        "unexpected_keys": "are not of this network",
        "mismatched_keys": "differ in shape",
    }
    faults = [
        f"{len(names)} weights {kinds[key]}, the first is {names[0]}"
        for key, names in ((key, sorted(map(str, report[key]))) for key in kinds)
        if names
    ]
    if faults:
        raise _refusal(onnx_file, "; ".join(faults))


def _refusal(onnx_file: Path, why: str) -> BadInput:
    return BadInput(f"{onnx_file.name} is not the network that was expected (DINOv2): {why}. Nothing was added.")
