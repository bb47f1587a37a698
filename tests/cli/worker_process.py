"""A worker as a process of its own, for tests that kill and stop it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from pathlib import Path

from cli.main import rounds
from curation.project import Project
from tests.processes import fork


def run_worker(root: Path) -> None:
    """Run `rounds worker` until a signal ends it."""
    rounds(["--project", str(root), "worker", "--quiet"])


@contextmanager
def worker_process(project: Project) -> Iterator[ForkProcess]:
    """A worker in a process of its own, killed at the end if it still runs."""
    project.database.dispose()
    process = fork(run_worker, project.root)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], bool], process: ForkProcess) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.is_alive(), "the worker ended before its time"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
