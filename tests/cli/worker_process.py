"""A worker as a process of its own, for tests that kill and stop it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from pathlib import Path

from cli.main import main
from curation.project import Project
from tests.processes import fork


def run_worker(root: Path, errors: Path | None, *options: str) -> None:
    """Run `rounds worker` until a signal ends it, as the command does; what it tells goes to the file `errors`."""
    if errors is not None:
        with errors.open("wb") as file:
            os.dup2(file.fileno(), 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
    sys.argv = ["rounds", "--project", str(root), "worker", "--quiet", *options]
    main()


@contextmanager
def worker_process(project: Project, *options: str, errors: Path | None = None) -> Iterator[ForkProcess]:
    """A worker in a process of its own, killed at the end if it still runs."""
    project.database.dispose()
    process = fork(run_worker, project.root, errors, *options)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], bool], runs: Callable[[], bool]) -> None:
    """Wait until the condition holds; fails when what should bring it about no longer runs."""
    deadline = time.monotonic() + 200
    while not condition():
        assert runs(), "the worker ended before its time"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
