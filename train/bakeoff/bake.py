"""Run a bake-off: every contestant and seed that is missing, then all of them compared."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curation.errors import RoundsError
from curation.progress import Clock, OnProgress, within_step
from train.adaptation.methods.peft_family import REFUSALS
from train.bakeoff.bench import BakeoffBench
from train.bakeoff.contestants import Contestant
from train.bakeoff.fits import fit_contestant, is_seeded, takes_rates
from train.bakeoff.kept_runs import ContestantRun, RunOutcome, read_outcome, write_failure, write_outcome
from train.bakeoff.plan import BakeoffPlan

RESULTS, UNDER_WAY = "results", "under-way"
FAILURES = (RoundsError, MemoryError, *REFUSALS)  # of one contestant; a full disk or a stop is of all


@dataclass(frozen=True, slots=True)
class ContestantOutcome:
    """What came of a contestant: a run for every seed, with the learning rate that validation chose."""

    contestant: Contestant
    tries: int  # settings among which validation chose
    runs: list[RunOutcome] = field(default_factory=list)

    @property
    def failed(self) -> str | None:
        """Why the contestant has no figures; None where it has."""
        return next((run.failed for run in self.runs if run.failed), None)


def missing_runs(
    bench: BakeoffBench, plan: BakeoffPlan, contestants: Sequence[Contestant], out: Path
) -> list[Contestant]:
    """The contestant of every run that is still to be made, once for each run."""
    factors = {contestant.name: _factors(contestant, plan) for contestant in contestants}
    return [
        contestant
        for contestant in contestants
        for seed, rates in _jobs(contestant, plan, factors[contestant.name])
        if not any(
            read_outcome(out / RESULTS, ContestantRun.of(bench, contestant, seed, rate)) for rate in rates
        )
    ]  # fmt: skip


def bake(
    bench: BakeoffBench,
    plan: BakeoffPlan,
    contestants: Sequence[Contestant],
    out: Path,
    on_progress: OnProgress,
    clock: Clock = time.monotonic,
    say: Callable[[str], None] = lambda line: None,
) -> list[ContestantOutcome]:
    """Make every run that is missing in `out` and return the outcome of every contestant.

    A contestant that fails is kept with its reason, told to `say`, and the others go on. Killed and called again, what
    is finished is not repeated, and the fit under way continues from its checkpoint.
    """
    baker = _Baker(bench, out, on_progress, clock, say, sum(_count(contestant, plan) for contestant in contestants))
    outcomes = [baker.contest(contestant, plan) for contestant in contestants]
    shutil.rmtree(out / UNDER_WAY, ignore_errors=True)
    on_progress(baker.total, baker.total, None)
    return outcomes


def _factors(contestant: Contestant, plan: BakeoffPlan) -> tuple[float, ...]:
    return plan.rate_factors if takes_rates(contestant) else (1.0,)


def _seeds(contestant: Contestant, plan: BakeoffPlan) -> tuple[int, ...]:
    return plan.seeds if is_seeded(contestant) else plan.seeds[:1]


def _jobs(contestant: Contestant, plan: BakeoffPlan, factors: Sequence[float]) -> list[tuple[int, Sequence[float]]]:
    """Every run with the rates that it may have: each of them with the first seed, one of them with the others."""
    first, *others = _seeds(contestant, plan)
    return [*((first, [factor]) for factor in factors), *((seed, factors) for seed in others)]


def _count(contestant: Contestant, plan: BakeoffPlan) -> int:
    return len(_jobs(contestant, plan, _factors(contestant, plan)))


class _Baker:
    """The runs of a bake-off, one after the other."""

    def __init__(
        self,
        bench: BakeoffBench,
        out: Path,
        on_progress: OnProgress,
        clock: Clock,
        say: Callable[[str], None],
        total: int,
    ) -> None:
        self.bench, self.out, self.on_progress, self.clock, self.say = bench, out, on_progress, clock, say
        self.done, self.total = 0, total

    def contest(self, contestant: Contestant, plan: BakeoffPlan) -> ContestantOutcome:
        """Try every learning rate with the first seed, and go on with the best on validation."""
        first, *others = _seeds(contestant, plan)
        factors = _factors(contestant, plan)
        tried = {factor: self.run(contestant, first, factor) for factor in factors}
        whole = {factor: run for factor, run in tried.items() if not run.failed}
        if not whole:
            self.done += len(others)
            return ContestantOutcome(contestant, len(factors), [tried[factors[0]]])
        best = min(whole, key=lambda factor: _loss(whole[factor]))
        runs = [whole[best], *(self.run(contestant, seed, best) for seed in others)]
        return ContestantOutcome(
            contestant, max(len(factors), whole[best].facts["tries"], contestant.config.tries), runs
        )

    def run(self, contestant: Contestant, seed: int, factor: float) -> RunOutcome:
        """Read the run where it is kept; else fit it, and keep what came of it."""
        run = ContestantRun.of(self.bench, contestant, seed, factor)
        step = (self.done, self.total, run.name)
        self.on_progress(*step)
        self.done += 1
        kept = read_outcome(self.out / RESULTS, run)
        if kept is not None:
            return kept
        began, under_way = self.clock(), self.out / UNDER_WAY / run.belongs_to[:16]
        try:
            fitted = fit_contestant(self.bench, contestant, run.config, under_way, within_step(self.on_progress, *step))
        except FAILURES as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            self.say(f"{run.name} failed: {reason}")
            outcome = write_failure(self.out / RESULTS, run, reason)
        else:
            name = self.bench.backbone(run.config.backbone).name
            outcome = write_outcome(self.out / RESULTS, run, fitted, self.clock() - began, name)
        shutil.rmtree(under_way, ignore_errors=True)
        return outcome


def _loss(run: RunOutcome) -> float:
    """The validation loss; without validation every rate is as good, and the first is taken."""
    loss = run.facts["validation_loss"]
    return 0.0 if loss is None else float(loss)
