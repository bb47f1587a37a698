"""Hold the images a recipe may choose from in a private, temporary SQLite file.

A mix of a million images is sorted and cut here, so that memory does not grow and the order of text never depends on
the collation of the project's database.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from curation.errors import BadInput, RoundsError

CHUNK = 1_000
CACHE_KIB = 32_768
SCHEMA = """
CREATE TABLE images (
    id INTEGER PRIMARY KEY, origin TEXT, split TEXT, subject TEXT, label TEXT, pixel TEXT, file TEXT,
    height INTEGER, width INTEGER, channels INTEGER, bits INTEGER,
    import_id INTEGER, batch_id INTEGER, generator_id INTEGER, batch_index INTEGER,
    position BLOB, tie TEXT, slope REAL, intercept REAL, unit TEXT, caption TEXT
);
CREATE TABLE outcomes (
    image INTEGER, worklist INTEGER, verdict TEXT, label TEXT, readings TEXT, n INTEGER, agreeing INTEGER,
    PRIMARY KEY (image, worklist)
) WITHOUT ROWID;
CREATE TABLE screened (image INTEGER PRIMARY KEY, verdict TEXT);
CREATE TABLE barred (image INTEGER PRIMARY KEY, why TEXT);
CREATE TABLE approved (image INTEGER PRIMARY KEY, label TEXT, worklist INTEGER, readings TEXT, corrected INTEGER);
CREATE TABLE train (id INTEGER PRIMARY KEY, label TEXT, position BLOB, tie TEXT);
CREATE TABLE extra (
    id INTEGER PRIMARY KEY, image INTEGER, copy INTEGER, label TEXT, why TEXT, generator_id INTEGER,
    position BLOB, tie TEXT
);
"""


class Pool:
    """Everything known of the images that could be taken; `left_out` counts by reason those that cannot,
    `barred_by_class` those that screening keeps out.

    `outcomes_digest` covers the outcomes the choice depended on, where it depended on any.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE", f"cache_size=-{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(SCHEMA)
        self.left_out: Counter[str] = Counter()
        self.barred_by_class: dict[str, int] = {}
        self.refusals: list[RoundsError] = []
        self.outcomes_digest: str | None = None

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        """Open an empty pool, dropped at the end; raises RoundsError where its disk is full."""
        pool = cls()
        try:
            yield pool
        except sqlite3.OperationalError as error:
            raise RoundsError(
                f"the choice of images could not be written to the temporary directory: {error}. "
                "Free some space there, or name another directory in TMPDIR; nothing was changed."
            ) from error
        finally:
            pool._database.close()

    def execute(self, statement: str, *values: Any) -> int:
        """Run one statement; return how many rows it changed."""
        return self._database.execute(statement, values).rowcount

    def insert(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each of `rows`, which are read one by one."""
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query as they come from disk."""
        return iter(self._database.execute(query, values))

    def value(self, query: str, *values: Any) -> Any:
        """Read the first value of a query's only row."""
        return self._database.execute(query, values).fetchone()[0]

    def refuse(self, message: str) -> None:
        """Keep why a build is refused; a preview shows all reasons."""
        self.refusals.append(BadInput(message))

    def drop(self, statement: str, why: str, *values: Any) -> int:
        """Run a DELETE and count the rows it removed under `why`."""
        dropped = self.execute(statement, *values)
        if dropped:
            self.left_out[why] += dropped
        return dropped
