"""Choose the settings of a run on validation images: so many tries, the first with the defaults.

What is tried depends on the seed and on what earlier tries gave, so a search that was killed goes on to the same tries.
Each try is a fit of its own; its settings and metrics stay in a file of the run's folder, its weights do not.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from curation.errors import BadInput, Conflict, Diverged
from curation.files import whole_file
from curation.progress import OnProgress, within_step
from curation.snapshots.folder import SnapshotFolder
from train.adaptation.config import AdaptationConfig
from train.adaptation.rows.row import NumberRange
from train.adaptation.search_space import SHARES, Search, space_of

TRIES = "tries"
FitTry = Callable[[AdaptationConfig, Path, OnProgress], Mapping[str, float]]  # to metrics on validation


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a search: the entries that were chosen, and what they gave, or why they gave nothing."""

    search: str
    entries: dict[str, float]
    metrics: dict[str, float]
    failed: str | None = None


def make_searches(
    folder: SnapshotFolder, config: AdaptationConfig, *, compare_synthetic: bool = False
) -> dict[str, Search]:
    """Make the search for a method, or one for each use of synthetic images.

    Raises BadInput where there is nothing to search or to choose by.
    """
    if not folder.rows("validation"):
        raise BadInput(
            f"--tune chooses on validation images, and snapshot {folder.name!r} has none. Build one with a validation "
            "split."
        )
    space = space_of(config)
    if not space:
        raise BadInput(f"{config.method.kind} finds its settings on validation by itself. Leave out --tune.")
    if compare_synthetic:
        with_share = {**space, "synthetic_share": SHARES}
        return {
            use: Search(config.model_copy(update={"synthetic": use}), with_share)
            for use in ("mixed", "weighted", "pretrain")
        }
    return {"settings": Search(config, space)}


def tune(
    searches: Mapping[str, Search], tries: int, out: Path, belongs_to: str, on_progress: OnProgress, fit: FitTry
) -> AdaptationConfig:
    """Try settings, equally often in each search, and return the configuration of the lowest validation loss.

    Raises Conflict where `out` holds tries of another search, Diverged where no try succeeded.
    """
    _claim(out, searches, tries, belongs_to)
    total = tries * len(searches)
    all_tries: list[Try] = []
    for name, search in searches.items():
        report = _report_try(on_progress, name, len(all_tries), total)
        all_tries += _run_search(name, search, tries, out, report, fit)
    succeeded = [attempt for attempt in all_tries if attempt.failed is None]
    if not succeeded:
        raise Diverged(f"none of {total} tries succeeded; the last: {all_tries[-1].failed}")
    best = min(succeeded, key=lambda attempt: attempt.metrics["validation_loss"])
    return searches[best.search].with_entries({**best.entries, "tries": total})


def read_tries(out: Path) -> list[dict[str, Any]]:
    """Read the tries that lie in the folder of a run, in their order."""
    return [json.loads(path.read_text()) for path in sorted((out / TRIES).glob("*-[0-9]*.json"))]


def _report_try(on_progress: OnProgress, name: str, done: int, total: int) -> Callable[[int], OnProgress]:
    return lambda number: within_step(on_progress, done + number, total, f"{name}, try {number + 1}")


def _claim(out: Path, searches: Mapping[str, Search], tries: int, belongs_to: str) -> None:
    path = out / TRIES / "search.json"
    wanted = {
        "searches": {name: search.config.digest() for name, search in searches.items()},
        "tries": tries,
        "belongs_to": belongs_to,
    }
    if path.is_file() and json.loads(path.read_text()) != wanted and read_tries(out):
        raise Conflict(f"{path.parent} holds tries of another search. Choose another --name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(wanted, indent=1, sort_keys=True) + "\n")


def _run_search(
    name: str, search: Search, tries: int, out: Path, report: Callable[[int], OnProgress], fit: FitTry
) -> list[Try]:
    """Ask for a try, fit it or read what it gave, tell; from the beginning, so that the next ones are the same."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=search.config.seed % 2**32))
    study.enqueue_trial(search.defaults())
    distributions = {entry: _distribution(values) for entry, values in search.space.items()}
    attempts = []
    for number in range(tries):
        trial = study.ask(distributions)
        attempt = _try(name, search, dict(trial.params), out / TRIES / f"{name}-{number:03d}", report(number), fit)
        if attempt.failed is None:
            study.tell(trial, attempt.metrics["validation_loss"])
        else:
            study.tell(trial, state=TrialState.FAIL)
        attempts.append(attempt)
    return attempts


def _try(name: str, search: Search, entries: dict[str, float], directory: Path, report: OnProgress, fit: FitTry) -> Try:
    path = directory.with_name(f"{directory.name}.json")
    if path.is_file():
        attempt = Try(**json.loads(path.read_text()))
    else:
        try:
            attempt = Try(name, entries, dict(fit(search.with_entries(entries), directory, report)))
        except (BadInput, Diverged) as error:
            if isinstance(error, BadInput) and entries == search.defaults():
                raise  # what refuses the defaults is no matter of what was tried
            attempt = Try(name, entries, {}, str(error))
        with whole_file(path) as partial:
            partial.write_text(json.dumps(_as_saved(attempt), indent=1, sort_keys=True) + "\n")
    shutil.rmtree(directory, ignore_errors=True)
    return attempt


def _as_saved(attempt: Try) -> dict[str, Any]:
    return {"search": attempt.search, "entries": attempt.entries, "metrics": attempt.metrics, "failed": attempt.failed}


def _distribution(values: NumberRange | tuple[float, ...]) -> BaseDistribution:
    if isinstance(values, NumberRange):
        return FloatDistribution(values.low, values.high, log=values.log)
    return CategoricalDistribution(values)
