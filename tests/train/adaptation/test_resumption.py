"""A run that was killed and called again is the run that was not; so is its early stopping."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import Conflict
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.processes import fork
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig

LEARNING_RATES = {"linear-probe": 2e-2, "lora": 1e-2, "full": 2e-3}
# Training and validation loss at every second step: they change when the training changes.
LOSSES = {
    "linear-probe": [(0.558576, 0.440464), (0.329845, 0.373815), (0.217463, 0.346553), (0.15379, 0.339492)],
    "lora": [(0.674395, 0.403657), (0.403734, 0.294389), (0.252001, 0.239491), (0.115718, 0.240984)],
    "full": [(1.54422, 0.868742), (0.718743, 0.741069), (0.919217, 0.49462), (0.350331, 0.409657)],
}


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def folder(tmp_path: Path) -> SnapshotFolder:
    save_backbone(tmp_path / "backbone")
    return write_snapshot(tmp_path / "snapshot", {"train": 20, "validation": 8}, synthetic=["upper"])


def short(folder: SnapshotFolder, adaptation: str, **changes: object) -> AdaptationConfig:
    """Eight steps with dropout in the adapter, evaluated at every second."""
    settings = {"adaptation": adaptation, "backbone": str(folder.path.parent / "backbone"), "steps": 8, "seed": 2}
    settings |= {"batch_size": 16, "evaluations": 4, "learning_rate": LEARNING_RATES[adaptation]}
    dropout = {"lora_dropout": 0.2} if adaptation == "lora" else {}
    return AdaptationConfig.checked(**settings | dropout | changes)


def killed_at(step: int, folder: SnapshotFolder, config: AdaptationConfig, out: Path) -> None:
    """Begin a run and let it die when it reports `step`."""

    def progress(done: int, total: int, note: str | None) -> None:
        if done == step and note != "features":
            raise KilledError

    with pytest.raises(KilledError):
        adapt(folder, config, out, progress)
    assert (out / "checkpoints" / "adaptation.pt").is_file()
    assert not (out / "card.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("adaptation", LEARNING_RATES)
def test_a_run_killed_and_resumed_gives_equal_weights_and_history(
    adaptation: str, folder: SnapshotFolder, tmp_path: Path
) -> None:
    config = short(folder, adaptation)
    whole = adapt(folder, config, tmp_path / "whole", silent)
    for step in (2, 6, 8):
        killed_at(step, folder, config, tmp_path / "resumed")
        torch.manual_seed(step)  # the process that continues has drawn other numbers
    resumed = adapt(folder, config, tmp_path / "resumed", silent)
    assert resumed.card == whole.card
    assert not (tmp_path / "resumed" / "checkpoints").exists()
    losses = [[point["train_loss"], point["validation_loss"]] for point in whole.card["history"]]
    np.testing.assert_allclose(losses, LOSSES[adaptation], rtol=5e-3)


@pytest.mark.parametrize("changes", [{"augment": "brain_mr", "mix": "mixup"}, {"mix": "cutmix", "mix_alpha": 0.5}])
def test_a_run_on_changed_and_mixed_images_that_was_killed_gives_equal_weights(
    changes: dict[str, object], folder: SnapshotFolder, tmp_path: Path
) -> None:
    config = short(folder, "lora", steps=4, evaluations=2, **changes)
    whole = adapt(folder, config, tmp_path / "whole", silent)
    killed_at(2, folder, config, tmp_path / "resumed")
    torch.manual_seed(5)
    assert adapt(folder, config, tmp_path / "resumed", silent).card == whole.card
    plain = adapt(folder, short(folder, "lora", steps=4, evaluations=2), tmp_path / "plain", silent)
    assert plain.card["history"] != whole.card["history"]


def adapt_until_killed(folder: SnapshotFolder, config: AdaptationConfig, out: Path) -> None:
    """Begin a run, and be killed by the system at its fourth step."""

    def kill(done: int, total: int, note: str | None) -> None:
        if done == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    adapt(folder, config, out, kill)


@pytest.mark.slow
def test_a_fine_tuning_killed_by_the_system_continues_to_equal_weights(folder: SnapshotFolder, tmp_path: Path) -> None:
    config, out = short(folder, "full"), tmp_path / "run"
    killed = fork(adapt_until_killed, folder, config, out)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    steps: list[int] = []
    resumed = adapt(folder, config, out, lambda done, total, note: steps.append(done))
    assert steps == [6, 8]
    assert resumed.card == adapt(folder, config, tmp_path / "whole", silent).card


@pytest.mark.slow
def test_a_run_that_had_stopped_early_when_it_was_killed_takes_no_more_steps(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    config = short(folder, "linear-probe", steps=400, evaluations=40, patience=2, learning_rate=0.5)
    whole = adapt(folder, config, tmp_path / "whole", silent)
    assert whole.card["steps"] < 400
    killed_at(whole.card["steps"], folder, config, tmp_path / "resumed")
    assert adapt(folder, config, tmp_path / "resumed", silent).card == whole.card


def test_an_unfinished_run_of_another_configuration_or_snapshot_is_refused(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    killed_at(2, folder, short(folder, "linear-probe"), tmp_path / "run")
    with pytest.raises(Conflict, match="another recipe or of other images"):
        adapt(folder, short(folder, "linear-probe", seed=3), tmp_path / "run", silent)
    other = write_snapshot(tmp_path / "other", {"train": 8, "validation": 4})
    with pytest.raises(Conflict, match="another recipe or of other images"):
        adapt(other, short(folder, "linear-probe"), tmp_path / "run", silent)


def test_the_checkpoint_of_a_run_killed_after_its_card_goes_with_the_next_call(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    config = short(folder, "linear-probe")
    first = adapt(folder, config, tmp_path / "run", silent)
    (tmp_path / "run" / "checkpoints").mkdir()
    assert adapt(folder, config, tmp_path / "run", silent).card == first.card
    assert not (tmp_path / "run" / "checkpoints").exists()
