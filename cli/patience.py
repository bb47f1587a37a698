"""Wait for a database that is away, with growing pauses and a line in the log for each."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import click
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import DatabaseAway

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0  # a quarter of a lease: who comes back first has not waited long

Made = TypeVar("Made")


class Stopped(Exception):
    """Ends a job here: the worker has to stop, the job was cancelled, or another worker has it."""


class Patience:
    """How a worker waits: until the database answers, or until the worker has to stop."""

    def __init__(self, stopping: threading.Event) -> None:
        self.stopping = stopping
        self._logging = threading.Lock()
        self._next_line_at = 0.0

    def pause(self, error: DatabaseAway, tries: int, until: threading.Event | None = None) -> None:
        """Log the error and wait, longer with each try; raises Stopped when the worker has to stop, or at `until`."""
        pause_s = min(FIRST_PAUSE_S * 2 ** min(tries - 1, 10), LONGEST_PAUSE_S)
        with self._logging:  # a job's own thread and that of its lease wait for the same thing: one line is enough
            if time.monotonic() >= self._next_line_at:
                self._next_line_at = time.monotonic() + pause_s
                click.echo(f"{time.strftime('%H:%M:%S')} {error} Waiting: next try in {pause_s:g} s.", err=True)
        if (until or self.stopping).wait(pause_s):
            raise Stopped

    def change(self, database: Database, act: Callable[[Session], Made], until: threading.Event | None = None) -> Made:
        """Run one short transaction; while the database is away, wait and run it again."""
        tries = 0
        while True:
            try:
                with database.write() as session:
                    return act(session)
            except DatabaseAway as error:
                tries += 1
                self.pause(error, tries, until)
