"""One step of the plan to rebuild."""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it replaces, the command (None where Rounds cannot do it), and what to know about it."""

    of: str
    command: str | None
    note: str = ""


def command_line(*words: object) -> str:
    """The words as a shell takes them."""
    return shlex.join(str(word) for word in words)
