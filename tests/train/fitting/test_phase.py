"""A fit that was killed and resumed is the fit that was not."""

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from curation.errors import Conflict, Damaged, Diverged
from train.fitting.checkpoint import Checkpoint, remove_checkpoints
from train.fitting.kept_weights import BestWeights, KeptWeights, trained_state
from train.fitting.moving_average import MovingAverage
from train.fitting.phase import FitProgress, Phase
from train.fitting.schedules import warmup_constant, warmup_cosine, warmup_linear
from train.fitting.seeding import step_generator

STEPS = 14
Keep = Callable[[nn.Module], KeptWeights]
KEPT: dict[str, Keep] = {
    "last": lambda model: KeptWeights(),
    "average": lambda model: MovingAverage(model, 0.9),
    "best": lambda model: BestWeights(model, "loss", None),
    "best average": lambda model: BestWeights(model, "loss", None, 0, MovingAverage(model, 0.9)),
}


class KilledError(Exception):
    """Stands for the end of the process."""


def make_phase(path: Path, keep: Keep = KEPT["last"], fit: str = "this", steps: int = STEPS) -> Phase:
    """A small network with dropout, whose batches come from a sequential generator."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 1))
    model[0].bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(
        [{"params": [model[0].weight], "lr": 0.01}, {"params": list(model[2].parameters()), "lr": 0.1}]
    )
    return Phase(
        "small",
        model,
        optimizer,
        steps,
        learning_rate=lambda step, initial: initial * warmup_cosine(step, 3, steps),
        checkpoint=Checkpoint(path, fit),
        kept=keep(model),
        generator=torch.Generator().manual_seed(5),
    )


def run(phase: Phase, kill_at: int | None = None, checkpoint_every: int = 3) -> list[FitProgress]:
    """Run `phase`, or let it die on its first report at or after step `kill_at`."""
    reports: list[FitProgress] = []

    def objective(step: int) -> Tensor:
        generator = step_generator(1, "small", step)
        inputs = torch.randn(4, 3, generator=phase.generator) + torch.rand(1, generator=generator)
        return ((phase.model(inputs) - inputs.sum(dim=1, keepdim=True)) ** 2).mean()

    @torch.no_grad()
    def evaluate(step: int) -> dict[str, float]:
        assert not phase.model.training
        inputs = torch.linspace(-1, 1, 12).reshape(4, 3)
        return {"loss": float(((phase.model(inputs) - inputs.sum(dim=1, keepdim=True)) ** 2).mean())}

    def on_progress(progress: FitProgress) -> None:
        if kill_at is not None and progress.step >= kill_at:
            raise KilledError
        reports.append(progress)

    phase.run(objective, evaluate, on_progress, evaluate_every=5, report_every=1, checkpoint_every=checkpoint_every)
    return reports


def assert_equal_fits(first: Phase, second: Phase) -> None:
    assert first.step == second.step
    assert (first.step_losses, first.losses) == (second.step_losses, second.losses)
    assert first.evaluations == second.evaluations
    weights, others = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("kept", KEPT)
@settings(max_examples=8, deadline=None)
@given(kills=st.lists(st.integers(1, STEPS), max_size=3), checkpoint_every=st.integers(1, 6))
def test_a_fit_killed_any_number_of_times_ends_in_equal_weights_losses_and_evaluations(
    kept: str, kills: list[int], checkpoint_every: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fit")
    whole = make_phase(path / "whole.pt", KEPT[kept])
    run(whole)
    for kill_at in sorted(kills):
        with suppress(KilledError):
            run(make_phase(path / "killed.pt", KEPT[kept]), kill_at, checkpoint_every)
    resumed = make_phase(path / "killed.pt", KEPT[kept])
    run(resumed, checkpoint_every=checkpoint_every)
    assert_equal_fits(resumed, whole)


def test_what_was_reported_is_in_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(make_phase(tmp_path / "fit.pt"), kill_at=6)
    assert [progress.step for progress in run(make_phase(tmp_path / "fit.pt"))] == list(range(7, STEPS + 1))


def test_each_report_has_the_mean_loss_since_the_last_and_the_measures_of_an_evaluation(tmp_path: Path) -> None:
    phase = make_phase(tmp_path / "fit.pt")
    reports = run(phase)
    assert [progress.loss for progress in reports] == phase.step_losses
    assert [progress.step for progress in reports if progress.measures] == [5, 10, 14]
    assert [step for step, _ in phase.evaluations] == [5, 10, 14]


def test_every_parameter_group_keeps_its_own_learning_rate(tmp_path: Path) -> None:
    phase = make_phase(tmp_path / "fit.pt")
    with pytest.raises(KilledError):
        run(phase, kill_at=3)
    resumed = make_phase(tmp_path / "fit.pt")
    with pytest.raises(KilledError):
        run(resumed, kill_at=4)
    assert [group["lr"] for group in phase.optimizer.param_groups] == pytest.approx([0.01, 0.1])
    factor = warmup_cosine(3, 3, STEPS)
    assert [group["lr"] for group in resumed.optimizer.param_groups] == pytest.approx([0.01 * factor, 0.1 * factor])


def test_frozen_weights_stay_and_are_no_part_of_the_checkpoint(tmp_path: Path) -> None:
    phase = make_phase(tmp_path / "fit.pt")
    frozen = phase.model[0].bias.clone()
    run(phase)
    assert torch.equal(phase.model[0].bias, frozen)
    state = torch.load(tmp_path / "fit.pt", weights_only=True)
    assert set(state["model"]) == set(trained_state(phase.model)) == {"0.weight", "2.weight", "2.bias"}


def test_the_best_weights_are_kept_and_no_better_ones_for_some_steps_end_the_fit() -> None:
    model = nn.Linear(1, 1)
    best = BestWeights(model, "loss", patience_steps=4)
    for step, value in ((2, 3.0), (4, 1.0), (6, 2.0), (8, 1.0)):
        nn.init.constant_(model.weight, step)
        best.after_evaluation(step, {"loss": value})
        assert best.is_exhausted(step) == (step == 8)
    best.finish()
    assert (best.step, best.value, model.weight.item()) == (4, 1.0, 4.0)


def test_a_fit_that_stopped_early_and_was_killed_takes_no_more_steps(tmp_path: Path) -> None:
    def patient(model: nn.Module) -> KeptWeights:
        return BestWeights(model, "nothing better than the first", 5)

    phase = make_phase(tmp_path / "fit.pt", patient, steps=30)
    phase.kept.value, phase.kept.measure = -1.0, "loss"
    run(phase, checkpoint_every=5)
    assert phase.step == 5
    resumed = make_phase(tmp_path / "fit.pt", patient, steps=30)
    assert run(resumed) == []
    assert_equal_fits(resumed, phase)


def test_checkpoints_of_another_fit_of_an_earlier_version_and_torn_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "fit.pt"
    run(make_phase(path))
    with pytest.raises(Conflict, match="another recipe or of other images"):
        run(make_phase(path, fit="another"))
    torch.save({"step": 3, "model": {}, "ema": {}, "optimizer": {}, "losses": [], "validation": []}, path)
    with pytest.raises(Conflict, match="earlier version"):
        run(make_phase(path))
    path.write_bytes(b"torn")
    with pytest.raises(Damaged, match=r"fit\.pt does not load"):
        run(make_phase(path))
    remove_checkpoints(tmp_path)
    assert not path.parent.exists()


def test_a_checkpoint_never_executes(tmp_path: Path) -> None:
    path = tmp_path / "fit.pt"
    torch.save({"format": "rounds-fit/2", "fit": "this", "step": Path("x")}, path)
    with pytest.raises(Damaged, match="does not load"):
        Checkpoint(path, "this").read()


def test_the_moving_average_is_evaluated_and_kept_and_training_goes_on_from_the_last_weights() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, 0.5)
    for value in (0.0, 1.0, 2.0):
        nn.init.constant_(model.weight, value)
        average.after_step()
    with average.for_evaluation():
        averaged = model.weight.item()
    assert 0 < averaged < 2
    assert model.weight.item() == 2.0
    average.finish()
    assert model.weight.item() == averaged


def test_the_learning_rate_warms_up_and_ends_at_nothing() -> None:
    assert [warmup_linear(step, 10, 110) for step in (0, 10, 60, 110)] == pytest.approx([0.1, 1.0, 0.5, 0.0])
    assert [warmup_constant(step, 10, 110) for step in (0, 10, 60, 110)] == pytest.approx([0.1, 1.0, 1.0, 1.0])
    assert warmup_cosine(0, 10, 100) == pytest.approx(0.1)
    assert warmup_cosine(10, 10, 100) == 1.0
    assert warmup_cosine(100, 10, 100) == pytest.approx(0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_fit_whose_loss_is_no_number_stops_at_once_and_leaves_no_checkpoint(tmp_path: Path, bad: float) -> None:
    phase = make_phase(tmp_path / "fit.pt")
    losses = [1.0, 1.0, bad]

    def objective(step: int) -> Tensor:
        return phase.model(torch.ones(1, 3)).sum() * 0 + losses[step]

    with pytest.raises(Diverged, match=f"small diverged at step 2 of 14: its loss is {bad}. Lower the learning rate"):
        phase.run(objective, lambda _: {}, lambda _: None, evaluate_every=5, report_every=1, checkpoint_every=1)
    assert not (tmp_path / "fit.pt").exists()


def test_a_measure_or_a_weight_that_is_no_number_stops_a_fit_too(tmp_path: Path) -> None:
    phase = make_phase(tmp_path / "measure.pt")
    with pytest.raises(Diverged, match="at step 5 of 14: its validation loss is nan"):
        phase.run(
            lambda _: phase.model(torch.ones(1, 3)).sum(),
            lambda _: {"validation_loss": math.nan},
            lambda _: None,
            evaluate_every=5,
            report_every=1,
            checkpoint_every=1,
        )
    phase = make_phase(tmp_path / "weights.pt", steps=1)
    with pytest.raises(Diverged, match="its weights are no finite numbers"):
        phase.run(
            lambda _: torch.sqrt(phase.model(torch.ones(1, 3)).sum() * 0),  # 0, with a gradient of infinity times 0
            lambda _: {},
            lambda _: None,
            evaluate_every=5,
            report_every=1,
            checkpoint_every=1,
        )
