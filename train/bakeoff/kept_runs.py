"""The runs of a bake-off that are kept: one JSON of results each, and the predictions beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.digests import digest_of
from curation.errors import Conflict
from curation.files import whole_file
from train.adaptation.config import AdaptationConfig
from train.bakeoff.bench import BakeoffBench
from train.bakeoff.contestants import Contestant
from train.bakeoff.fits import FittedContestant
from train.fitting.kept_array import read_kept_array, write_kept_array


@dataclass(frozen=True, slots=True)
class ContestantRun:
    """One contestant with one seed and one learning rate, and what it belongs to."""

    contestant: Contestant
    config: AdaptationConfig
    rate_factor: float
    belongs_to: str

    @classmethod
    def of(cls, bench: BakeoffBench, contestant: Contestant, seed: int, rate_factor: float) -> "ContestantRun":
        """Settle the configuration; what it belongs to covers images, split, weights and every setting."""
        rate = contestant.config.effective_learning_rate() * rate_factor
        changes = {"seed": seed} | ({"learning_rate": rate} if rate_factor != 1 else {})
        config = contestant.config.model_copy(update=changes)
        control = contestant.control.name if contestant.control else None
        backbone = bench.backbone(config.backbone).digest
        parts = [config.model_dump(mode="json"), control, bench.folder.digest, bench.split, backbone]
        return cls(contestant, config, rate_factor, digest_of(parts))

    @property
    def name(self) -> str:
        """The name of its files."""
        rate = "" if self.rate_factor == 1 else f"-x{self.rate_factor:g}"
        return f"{self.contestant.name}-s{self.config.seed}{rate}"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a run: its facts, and the probabilities (N, n_classes); of one that failed the reason alone."""

    facts: dict[str, Any]
    probabilities: NDArray[np.float64] | None

    @property
    def failed(self) -> str | None:
        """Why the run failed; None where it did not."""
        reason: str | None = self.facts.get("failed")
        return reason


def read_outcome(directory: Path, run: ContestantRun) -> RunOutcome | None:
    """Read the outcome of a run; None where there is none, or where it is of other settings, images or weights."""
    path = directory / f"{run.name}.json"
    if not path.is_file():
        return None
    facts = json.loads(path.read_text())
    if facts["belongs_to"] != run.belongs_to:
        return None
    if "failed" in facts:
        return RunOutcome(facts, None)
    try:
        probabilities = read_kept_array(path.with_suffix(".safetensors"), run.belongs_to)
    except Conflict:
        return None
    return None if probabilities is None else RunOutcome(facts, probabilities)


def write_outcome(
    directory: Path, run: ContestantRun, fitted: FittedContestant, seconds: float, backbone: str
) -> RunOutcome:
    """Write the predictions, then the JSON: a run that has it is whole."""
    values = {name: value for name, value in asdict(fitted).items() if name not in ("probabilities", "cost")}
    facts = _identity(run) | {"backbone": backbone, **values, **fitted.cost, "seconds": round(seconds, 2)}
    directory.mkdir(parents=True, exist_ok=True)
    write_kept_array(directory / f"{run.name}.safetensors", fitted.probabilities, run.belongs_to)
    _write(directory, run, facts)
    return RunOutcome(facts, fitted.probabilities)


def write_failure(directory: Path, run: ContestantRun, reason: str) -> RunOutcome:
    """Keep why a run failed; deleting the file lets it be tried again."""
    facts = _identity(run) | {"failed": reason}
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory, run, facts)
    return RunOutcome(facts, None)


def _identity(run: ContestantRun) -> dict[str, Any]:
    config = run.config.model_dump(mode="json")
    return {
        "contestant": run.contestant.name, "method": run.contestant.method, "seed": run.config.seed,
        "rate_factor": run.rate_factor, "config": config, "belongs_to": run.belongs_to,
    }  # fmt: skip


def _write(directory: Path, run: ContestantRun, facts: dict[str, Any]) -> None:
    with whole_file(directory / f"{run.name}.json") as partial:
        partial.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
