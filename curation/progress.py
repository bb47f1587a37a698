"""The callback with which long work tells how far it is."""

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int, str | None], None]  # done, total, note


def silent(done: int, total: int, note: str | None) -> None:
    """Ignore progress: the callback for callers that show none."""
