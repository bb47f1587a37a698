"""Run a piece of work in a process of its own, so that its time and its peak memory are its own."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """What the work took; `before_mib` is what the process held when it began."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    before_mib: float
    result: Any


def run_apart(work: Callable[..., Any], *arguments: object) -> Cost:
    """Call `work` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, arguments))


def _measured(work: Callable[..., Any], arguments: tuple[object, ...]) -> Cost:
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak, which a new process takes from its parent
    before = _peak_mib()
    start, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return Cost(time.perf_counter() - start, time.process_time() - cpu, _peak_mib(), before, result)


def _peak_mib() -> float:
    """The most resident memory this process held (`ru_maxrss` would count its parent's too)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
