"""A search of settings makes equal tries from equal seeds, also after a kill, and the best wins."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from curation.errors import BadInput, Conflict, Diverged
from curation.progress import OnProgress, silent
from tests.train.snapshots import write_snapshot
from train.adaptation.config import AdaptationConfig
from train.adaptation.rows.table import METHODS
from train.adaptation.search_space import Search, space_of
from train.adaptation.tuning import make_searches, read_tries, tune

LORA = AdaptationConfig.checked(adaptation="lora", seed=4)
SEARCHES = {"settings": Search(LORA, space_of(LORA))}


class KilledError(Exception):
    """Stands for the end of the process."""


def bowl(config: AdaptationConfig, directory: Path, report: OnProgress) -> Mapping[str, float]:
    """A loss with its lowest point at a learning rate of 3e-3 and rank 4."""
    settings = config.model_dump()
    distance = abs(math.log(config.effective_learning_rate() / 3e-3)) + abs(settings["lora_rank"] - 4) / 4
    return {"validation_loss": distance, "validation_accuracy": 0.5}


def test_equal_seeds_give_equal_tries_of_which_the_first_has_the_defaults(tmp_path: Path) -> None:
    chosen = tune(SEARCHES, 8, tmp_path / "a", "a snapshot", silent, bowl)
    assert chosen == tune(SEARCHES, 8, tmp_path / "b", "a snapshot", silent, bowl)
    tries = read_tries(tmp_path / "a")
    assert tries == read_tries(tmp_path / "b")
    assert tries[0]["entries"] == {"learning_rate": 1e-3, "weight_decay": 0.01, "lora_rank": 8}
    best = min(tries, key=lambda attempt: attempt["metrics"]["validation_loss"])
    assert (len(tries), chosen.tries) == (8, 8)
    assert best["entries"].items() <= chosen.model_dump().items()
    other = {"settings": Search(LORA.model_copy(update={"seed": 5}), space_of(LORA))}
    tune(other, 8, tmp_path / "c", "a snapshot", silent, bowl)
    assert read_tries(tmp_path / "c") != tries


def test_a_killed_search_continues_to_the_same_tries_without_repeating_any(tmp_path: Path) -> None:
    whole = tune(SEARCHES, 6, tmp_path / "whole", "a snapshot", silent, bowl)
    fitted: list[Path] = []

    def killed_at_fourth(config: AdaptationConfig, directory: Path, report: OnProgress) -> Mapping[str, float]:
        fitted.append(directory)
        if len(fitted) == 4:
            directory.mkdir()
            raise KilledError
        return bowl(config, directory, report)

    with pytest.raises(KilledError):
        tune(SEARCHES, 6, tmp_path / "killed", "a snapshot", silent, killed_at_fourth)
    assert tune(SEARCHES, 6, tmp_path / "killed", "a snapshot", silent, killed_at_fourth) == whole
    assert len(fitted) == 7
    assert read_tries(tmp_path / "killed") == read_tries(tmp_path / "whole")
    assert not [path for path in (tmp_path / "killed" / "tries").iterdir() if path.is_dir()]
    with pytest.raises(Conflict, match="tries of another search"):
        tune(SEARCHES, 7, tmp_path / "killed", "a snapshot", silent, bowl)


def test_a_try_that_fails_is_counted_and_does_not_win(tmp_path: Path) -> None:
    def failing(config: AdaptationConfig, directory: Path, report: OnProgress) -> Mapping[str, float]:
        if config.effective_learning_rate() < 1e-3:
            raise Diverged("a learning rate too low for this test")
        if config.model_dump()["lora_rank"] > 8:
            raise BadInput("lora_rank 16 is more than the 8 channels")
        return bowl(config, directory, report)

    chosen = tune(SEARCHES, 8, tmp_path / "run", "a snapshot", silent, failing)
    failed = [attempt for attempt in read_tries(tmp_path / "run") if attempt["failed"]]
    assert 0 < len(failed) < 8
    assert chosen.tries == 8
    assert chosen.effective_learning_rate() >= 1e-3

    def refused(config: AdaptationConfig, directory: Path, report: OnProgress) -> Mapping[str, float]:
        raise BadInput("the snapshot cannot be used")

    with pytest.raises(BadInput, match="the snapshot cannot be used"):
        tune(SEARCHES, 3, tmp_path / "refused", "a snapshot", silent, refused)
    tune(SEARCHES, 4, tmp_path / "refused", "a snapshot", silent, bowl)  # nothing of it is left in the way


@pytest.mark.parametrize("name", METHODS)
def test_every_space_holds_the_defaults_of_its_method(name: str) -> None:
    config = AdaptationConfig.checked(adaptation=name)
    space = space_of(config)
    assert bool(space) == config.method.row.takes_steps
    if not space:
        return
    search = Search(config, space)
    for entry, value in search.defaults().items():
        values = space[entry]
        assert value in values if isinstance(values, tuple) else values.low <= value <= values.high
    assert search.with_entries(search.defaults()).method == config.method


def test_a_search_needs_validation_images_and_something_to_choose(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "one", {"train": 2, "validation": 2})
    with pytest.raises(BadInput, match="logistic finds its settings on validation by itself"):
        make_searches(folder, AdaptationConfig.checked(adaptation="logistic"))
    with pytest.raises(BadInput, match="and snapshot 'two' has none"):
        make_searches(write_snapshot(tmp_path / "two", {"train": 2}), LORA)
