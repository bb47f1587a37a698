"""Child processes that keep what is imported: torch and diffusers take seconds to import anew."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkProcess


def fork(work: Callable[..., object], *arguments: object) -> ForkProcess:
    """Start `work` in a copy of this process; close databases before, since SQLite must not be open in both."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process
