"""What a killed process leaves of weights goes before the next are saved."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from train.fitting.checkpoint import remove_unfinished_weights


def test_hidden_files_of_weights_go_and_finished_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    save_file({"a": np.ones(3)}, tmp_path / "unet" / "model.safetensors")
    left = tmp_path / "unet" / ".tmp76grHd"  # as safetensors 0.8 calls it until it is whole
    left.write_bytes(b"half")
    remove_unfinished_weights(tmp_path)
    assert [path.name for path in (tmp_path / "unet").iterdir()] == ["model.safetensors"]
