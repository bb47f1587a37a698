"""The type of a progress callback: done, total, note."""

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int, str | None], None]


def silent(done: int, total: int, note: str | None) -> None:
    """Ignore progress: the callback for callers that show none."""


def within_step(report: OnProgress, done: int, total: int, note: str | None) -> OnProgress:
    """The callback for the inside of one step: it reports the step again, so that a long step can be cancelled."""

    def report_step(inner_done: int, inner_total: int, inner_note: str | None) -> None:
        report(done, total, note)

    return report_step
