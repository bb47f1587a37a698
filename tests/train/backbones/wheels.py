"""A tiny wheel with a tiny DINOv2 in an ONNX file, and a package index of files."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from transformers import Dinov2Config, Dinov2Model

from train.backbones.catalogue import BY_NAME, CatalogueEntry, Wheel

NETWORK = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "image_size": 56, "patch_size": 14}
PACKAGE, MEMBER = "rounds-tiny-dinov2", "rounds_tiny_dinov2/models/tiny.onnx"
FILE_NAME = "rounds_tiny_dinov2-0.1.0-py3-none-any.whl"


def write_onnx(path: Path, **changes: int) -> Dinov2Model:
    """Write the weights of a random network as its exporter would, and return the network."""
    torch.manual_seed(0)
    model = Dinov2Model(Dinov2Config(**NETWORK | changes))
    torch.nn.init.normal_(model.embeddings.position_embeddings)
    model.save_pretrained(path.parent)
    weights = load_file(path.parent / "model.safetensors")
    positions = weights.pop("embeddings.position_embeddings")
    del weights["embeddings.mask_token"]
    parts = {"onnx::Concat_1": positions[:, :1], "onnx::Reshape_2": positions[:, 1:]}
    nodes = [
        helper.make_node("Reshape", ["onnx::Reshape_2", "s"], ["patches"], "/backbone/embeddings/Reshape_1"),
        helper.make_node("Concat", ["onnx::Concat_1", "patches"], ["table"], "/backbone/embeddings/Concat_6", axis=1),
    ]
    named = {}
    for number, (name, value) in enumerate(weights.items()):
        if value.ndim != 2:
            named[f"backbone.{name}"] = value
            continue
        stored, layer = f"onnx::MatMul_{number}", name.removesuffix(".weight").replace(".", "/")
        layer = layer.replace("layer/", "layer.")
        parts[stored] = np.ascontiguousarray(value.T)
        nodes.append(helper.make_node("MatMul", ["x", stored], [f"y{number}"], f"/backbone/{layer}/MatMul"))
    named["decoder.weight"] = np.zeros((2, 2), np.float32)
    tensors = [numpy_helper.from_array(value, name) for name, value in (named | parts).items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [], tensors)), path)
    for beside in ("model.safetensors", "config.json"):
        (path.parent / beside).unlink()
    return model.eval()


def write_wheel(folder: Path, onnx_file: Path) -> Path:
    """Pack the file into a wheel whose import would raise, with a requirement that no index has."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    about = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\nRequires-Dist: no-such-package-at-all\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(onnx_file, MEMBER)
        archive.writestr("rounds_tiny_dinov2/__init__.py", "raise SystemExit('never run')\n")
        archive.writestr("rounds_tiny_dinov2-0.1.0.dist-info/METADATA", about)
        archive.writestr("rounds_tiny_dinov2-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("rounds_tiny_dinov2-0.1.0.dist-info/RECORD", "")
    return path


def write_index(folder: Path, wheel: Path) -> str:
    """Make a simple index with this one wheel; returns its file:// address."""
    page = folder / PACKAGE
    page.mkdir(parents=True)
    (page / wheel.name).write_bytes(wheel.read_bytes())
    (page / "index.html").write_text(
        f'<!DOCTYPE html><html><body><a href="{wheel.name}">{wheel.name}</a></body></html>'
    )
    return folder.as_uri()


def entry_of(wheel: Path) -> CatalogueEntry:
    """The row of the catalogue for the tiny wheel; its id is on no hub."""
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    row = Wheel(PACKAGE, "0.1.0", sha256, MEMBER, "dinov2-onnx", "MIT", tuple(NETWORK.items()))
    return replace(BY_NAME["dinov2-small"], name="tiny-dinov2", id="nobody/tiny-dinov2", input_size=56, wheel=row)
