"""Progress in words: a line a minute, with the step, the loss, the rate and the time left."""

import threading

import pytest

from curation.progress import ProgressLines, duration_words, rate_words, within_step


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_line_a_minute_says_step_loss_rate_and_time_left(clock: Clock) -> None:
    said: list[str] = []
    lines = ProgressLines("fitting", said.append, clock)
    for step in range(10, 1_001, 10):
        lines.report(step, 10_000, f"flow, loss {1 / step:.4f}")
        clock.seconds += 5
    assert len(said) == 100 * 5 // 60
    assert said[0] == "fitting: 130 of 10,000, flow, loss 0.0077, 2 a second, about 1 h 22 min to 10,000"
    lines.say_end()
    assert said[-1] == "fitting: 1,000 done in 8 min"


def test_steps_of_an_earlier_call_and_of_another_part_do_not_count_for_the_rate(clock: Clock) -> None:
    said: list[str] = []
    lines = ProgressLines("fitting", said.append, clock)
    lines.report(5_000, 6_000, "autoencoder")  # continued from a checkpoint
    clock.seconds += 60
    lines.report(5_060, 6_000, "autoencoder")
    clock.seconds += 30
    lines.report(10, 2_000, "flow")
    clock.seconds += 30
    lines.report(25, 2_000, "flow")
    assert said == [
        "fitting: 5,060 of 6,000, autoencoder, 1 a second, about 16 min to 6,000",
        "fitting: 25 of 2,000, flow, 30 a minute, about 1 h 6 min to 2,000",
    ]


def test_work_that_reports_nothing_speaks_too(clock: Clock) -> None:
    said: list[str] = []
    lines = ProgressLines("verifying", said.append, clock)
    clock.seconds += 61
    lines.say_if_due()
    lines.report(3, 25, "plus_raw, seed 0")
    clock.seconds += 300
    lines.say_if_due()
    assert said == ["verifying: under way for 1 min", "verifying: 3 of 25, plus_raw, seed 0, at this step for 5 min"]


def test_work_whose_amount_is_not_known_is_said_without_a_count_of_nothing(clock: Clock) -> None:
    said: list[str] = []
    lines = ProgressLines("importing", said.append, clock)
    for done, total, note in ((0, 0, "looking for files"), (0, 300, "looking at files"), (0, 40, "near copies")):
        lines.report(done, total, note)
        clock.seconds += 61
        lines.say_if_due()
    lines.report(25, 0, None)
    lines.say_end()
    assert said == [
        "importing: looking for files, at this step for 1 min",
        "importing: 0 of 300, looking at files, at this step for 1 min",
        "importing: 0 of 40, near copies, at this step for 1 min",
        "importing: done in 3 min",
    ]


def test_a_thread_speaks_while_the_work_is_silent() -> None:
    spoken = threading.Event()
    lines = ProgressLines("measuring", lambda line: spoken.set(), every_s=0.02)
    with lines.spoken():
        assert spoken.wait(60)


def test_a_step_says_how_far_its_inside_is() -> None:
    reports: list[tuple[int, int, str | None]] = []
    report = within_step(lambda *progress: reports.append(progress), 2, 25, "plus_raw, seed 1")
    report(40, 400, "loss 0.301")
    report(0, 0, None)
    assert reports == [(2, 25, "plus_raw, seed 1, 40 of 400, loss 0.301"), (2, 25, "plus_raw, seed 1")]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min"), (3_599, "1 h"), (7_500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"), [(12.34, "12.3 a second"), (0.5, "30 a minute"), (0.001, "3.6 an hour"), (1e-5, "0.036 an hour")]
)
def test_rates_in_words(rate: float, words: str) -> None:
    assert rate_words(rate) == words
