"""What a kill leaves of weights goes before the next are saved; a full disk is told in one line."""

import re
import resource
import signal
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from curation.store_errors import describe_disk_error
from tests.processes import fork
from train.fitting.checkpoint import Checkpoint, remove_unfinished_weights

LIMITS = (100, 4_000, 40_000, 83_500, 85_000, 85_440)  # of a file of 85,451 bytes: torch says it in two ways


def _write_under_limits(directory: Path, told: Connection) -> None:
    """Write a checkpoint and weights under each limit, which does what a full disk does; send what is said of it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit in LIMITS:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            Checkpoint(directory / "checkpoint.pt", "a fit").write({f"{n}": torch.ones(1000) for n in range(20)})
            told.send(None)
        except Exception as error:
            told.send(describe_disk_error(error) or repr(error))
        try:
            save_file({"a": np.ones(30_000)}, directory / "model.safetensors")
            told.send(None)
        except Exception as error:
            told.send(describe_disk_error(error) or repr(error))
            remove_unfinished_weights(directory)
    told.send([path.name for path in directory.iterdir()])


def test_a_full_disk_under_a_checkpoint_or_weights_is_one_line_wherever_it_strikes(tmp_path: Path) -> None:
    receiving, sending = Pipe(duplex=False)
    process = fork(_write_under_limits, tmp_path, sending)
    for _ in LIMITS * 2:
        assert re.match("a file of weights cannot be written: .*Free some space", receiving.recv())
    assert receiving.recv() == []
    process.join()


def test_hidden_files_of_weights_go_and_finished_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    save_file({"a": np.ones(3)}, tmp_path / "unet" / "model.safetensors")
    left = tmp_path / "unet" / ".tmp76grHd"  # as safetensors 0.8 calls it until it is whole
    left.write_bytes(b"half")
    remove_unfinished_weights(tmp_path)
    assert [path.name for path in (tmp_path / "unet").iterdir()] == ["model.safetensors"]
