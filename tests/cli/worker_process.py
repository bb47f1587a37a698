"""A worker as a process of its own, for tests that kill and stop it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from pathlib import Path

from cli.main import main
from curation.project import Project
from tests.processes import fork

ROOT = Path(__file__).parents[2]


def run_worker(root: Path, *options: str) -> None:
    """Run `rounds worker` until a signal ends it, as the command does."""
    sys.argv = ["rounds", "--project", str(root), "worker", "--quiet", *options]
    main()


@contextmanager
def worker_process(project: Project, *options: str) -> Iterator[ForkProcess]:
    """A worker in a process of its own, killed at the end if it still runs."""
    project.database.dispose()
    process = fork(run_worker, project.root, *options)
    try:
        yield process
    finally:
        process.kill()
        process.join()


@contextmanager
def started_worker(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """A worker started anew, as a person would, killed at the end if it still runs."""
    command = [sys.executable, "-m", "cli.main", "--project", str(project.root), "worker", "--quiet"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], runs: Callable[[], bool]) -> None:
    """Wait until the condition holds; fails when what should bring it about no longer runs."""
    deadline = time.monotonic() + 200
    while not condition():
        assert runs(), "the worker ended before its time"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
