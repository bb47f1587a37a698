"""A temporary file that holds the arrivals of an import until it is decided which of them enter.

A million arrivals take no more memory than a few.

The file is an SQLite database without a name: the system removes it with the process, however that ends, and nobody
else can open it. SQLite puts it into SQLITE_TMPDIR, TMPDIR, /var/tmp or /tmp and keeps its first megabytes in memory.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from typing import Any, Self

from curation.errors import Unavailable
from curation.ingest.arrival import NOTHING_SHOWN, RECORDED, Arrival
from curation.provenance.value_scales import ValueScale
from curation.tables.images import Split

_CACHE_KIB = 2_048
_AT_ONCE = 500
_ON_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_PRECEDENCE = {split.value: position for position, split in enumerate(Split)}

_TABLES = """
CREATE TABLE arrival(position INTEGER PRIMARY KEY, subject TEXT, split TEXT, picture TEXT, shown INTEGER,
    known INTEGER, remarked INTEGER, scale INTEGER, low INTEGER, high INTEGER, record TEXT);
CREATE TABLE file(position INTEGER, digest TEXT);
CREATE TABLE subject(key TEXT PRIMARY KEY, given TEXT, standing TEXT, withdrawn INTEGER DEFAULT 0, unit TEXT,
    split TEXT) WITHOUT ROWID;
CREATE TABLE standing(rank INTEGER PRIMARY KEY, picture TEXT, subject TEXT, split TEXT, record TEXT,
    UNIQUE(picture, subject));
CREATE TABLE withdrawn(picture TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unit(key TEXT PRIMARY KEY, stratum TEXT, lot TEXT, split TEXT) WITHOUT ROWID;
CREATE TABLE alike(subject TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE contested(picture TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE accepted(position INTEGER PRIMARY KEY);
"""

_ACCEPTED = "FROM accepted JOIN arrival USING (position) JOIN subject ON key = subject"


class Staging:
    """The arrivals in the order of the source: `add` each one, `close_list` once, then query."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._shown: dict[tuple[str, ...], int] = {}
        self._scales: dict[ValueScale | None, int] = {}
        self._position = 0
        self._rows: list[tuple[Any, ...]] = []
        self._files: list[tuple[int | None, str]] = []
        database.create_function("precedence", 1, _PRECEDENCE.get, deterministic=True)
        database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA cache_size=-{_CACHE_KIB}; PRAGMA temp_store=FILE;")
        database.executescript(_TABLES)
        database.execute("BEGIN")

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Open a new, empty file; raises Unavailable when the disk for temporary files is full."""
        try:
            with closing(sqlite3.connect("", isolation_level=None)) as database:
                yield cls(database)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _ON_DISK:
                raise
            raise Unavailable(
                f"the temporary file of this import cannot be written ({error}); nothing of it was recorded. Free some "
                "space where TMPDIR points (without it /var/tmp or /tmp), or set TMPDIR, then do the same again."
            ) from error

    def add(self, arrival: Arrival) -> None:
        """Add an arrival."""
        shown = self._shown.setdefault(tuple(arrival.shown or [NOTHING_SHOWN]), len(self._shown))
        self._position += 1
        known, remarked = arrival.subject_known, bool(arrival.notes or arrival.burnt_in)
        scale = self._scales.setdefault(arrival.value_scale, len(self._scales))
        asked = (
            arrival.subject_key,
            arrival.split,
            arrival.pixel_sha256,
            shown,
            known,
            remarked,
            scale,
            *arrival.levels,
        )
        self._rows.append((self._position, *asked, arrival.record()))
        self.add_files_of(arrival, self._position)

    def add_files_of(self, arrival: Arrival, position: int | None = None) -> None:
        """Note the stored files of an arrival; one that is left out has no position."""
        self._files += [(position, digest) for digest in arrival.files if digest]
        if len(self._rows) >= _AT_ONCE or len(self._files) >= _AT_ONCE:
            self._write()

    def _write(self) -> None:
        self._database.executemany("INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._database.executemany("INSERT INTO file VALUES (?, ?)", self._files)
        self._rows.clear()
        self._files.clear()

    def _do(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._database.execute(statement, values)

    def close_list(self) -> None:
        """End the adding: list the subjects, each with the splits that the source gives it."""
        self._write()
        self._do("CREATE INDEX arrival_picture ON arrival(picture, subject)")
        self._do(
            "INSERT INTO subject(key, given, unit) "
            "SELECT subject, group_concat(DISTINCT split), subject FROM arrival GROUP BY subject"
        )

    def subjects(self, count: int) -> Iterator[list[str]]:
        """Yield the subject keys in lists of `count`; `subject_stands` may be called in between."""
        return self._in_chunks("SELECT key FROM subject WHERE key > ? ORDER BY key LIMIT ?", count)

    def pictures(self, count: int) -> Iterator[list[str]]:
        """Yield the pixel digests in lists of `count`."""
        return self._in_chunks("SELECT DISTINCT picture FROM arrival WHERE picture > ? ORDER BY picture LIMIT ?", count)

    def _in_chunks(self, query: str, count: int) -> Iterator[list[str]]:
        last = ""
        while values := [value for (value,) in self._do(query, (last, count))]:
            yield values
            last = values[-1]

    def subject_stands(self, key: str, split: Split, withdrawn: bool) -> None:
        """Note that the project has this subject."""
        self._do("UPDATE subject SET standing = ?, withdrawn = ? WHERE key = ?", (split, withdrawn, key))

    def picture_stands(self, arrival: Arrival) -> None:
        """Note that the project has this picture under this subject."""
        values = (arrival.pixel_sha256, arrival.subject_key, arrival.split, arrival.record())
        self._do(
            "INSERT INTO standing VALUES (NULL, ?, ?, ?, ?) ON CONFLICT(picture, subject) "
            "DO UPDATE SET split = excluded.split, record = excluded.record",
            values,
        )

    def subject_is_like(self, key: str, split: Split) -> None:
        """Note that a picture of this subject looks like one that the project has in this split."""
        kept = "split = CASE WHEN precedence(excluded.split) < precedence(split) THEN excluded.split ELSE split END"
        self._do(f"INSERT INTO alike VALUES (?, ?) ON CONFLICT(subject) DO UPDATE SET {kept}", (key, split))

    def arrived(self) -> Iterator[tuple[int, str]]:
        """Yield the place in the source (from 0) and the subject of each arrival that may enter."""
        yield from self._do("SELECT position - 1, subject FROM arrival ORDER BY position")

    def withdraw(self, pictures: Iterable[str]) -> None:
        """Note pictures that were withdrawn from the project."""
        self._database.executemany("INSERT INTO withdrawn VALUES (?)", ((picture,) for picture in pictures))

    def take_out_faulty(self) -> Iterator[tuple[Arrival, set[Split], Split | None, bool]]:
        """Yield and remove arrivals that may not enter: source splits, the project's split, whether withdrawn."""
        faulty = (
            "FROM arrival JOIN subject ON key = subject LEFT JOIN withdrawn AS gone USING (picture) "
            "WHERE subject.withdrawn OR gone.picture IS NOT NULL OR instr(given, ',') OR standing <> given"
        )
        columns = "record, given, standing, subject.withdrawn OR gone.picture IS NOT NULL"
        for record, given, standing, withdrawn in self._do(f"SELECT {columns} {faulty} ORDER BY position"):
            splits = {Split(split) for split in given.split(",")} if given else set()
            yield Arrival.from_record(record, None), splits, Split(standing) if standing else None, bool(withdrawn)
        self._do(f"DELETE FROM arrival WHERE position IN (SELECT position {faulty})")

    def shared(self) -> Iterator[tuple[str, str]]:
        """Yield (picture, subject) of pictures that come under several subjects, in order."""
        yield from self._do(
            "SELECT picture, subject FROM arrival WHERE picture IN (SELECT picture FROM arrival "
            "GROUP BY picture HAVING min(subject) <> max(subject)) ORDER BY position"
        )

    def bind(self, units: dict[str, str]) -> None:
        """Put subjects into groups that are drawn together: subject to the key of its group."""
        rows = ((unit, key) for key, unit in units.items())
        self._database.executemany("UPDATE subject SET unit = ? WHERE key = ?", rows)

    def units(self) -> Iterator[tuple[str, set[str], Split | None]]:
        """Yield each group of subjects: its labels, and the first split that one of its subjects stands in."""
        names = {number: shown for shown, number in self._shown.items()}
        query = (
            "SELECT unit, shown, coalesce(standing, given), (SELECT split FROM standing "
            "WHERE standing.picture = arrival.picture ORDER BY rank LIMIT 1), "
            "(SELECT split FROM alike WHERE alike.subject = arrival.subject) "
            "FROM arrival JOIN subject ON key = subject ORDER BY unit"
        )
        for unit, rows in groupby(self._do(query), key=lambda row: row[0]):
            labels: set[str] = set()
            splits: set[str] = set()
            for _, shown, *row_splits in rows:
                labels.update(names[shown])
                splits.update(split for split in row_splits if split)
            yield unit, labels, Split(min(splits, key=_PRECEDENCE.__getitem__)) if splits else None

    def place_units(self, units: Iterable[tuple[str, str | None, str | None, Split | None]]) -> None:
        """Write each group with its split, or with the stratum and the lot by which it will be drawn."""
        self._database.executemany("INSERT INTO unit VALUES (?, ?, ?, ?)", units)

    def to_draw(self) -> Iterator[tuple[str, str]]:
        """Yield (group, stratum) of groups without a split: rare strata first, within a stratum by lot."""
        yield from self._do(
            "SELECT key, stratum FROM unit JOIN (SELECT stratum, count(*) AS size FROM unit GROUP BY stratum) "
            "USING (stratum) WHERE split IS NULL ORDER BY size, stratum, lot"
        )

    def settle(self, drawn: Iterable[tuple[str, Split]]) -> None:
        """Give every subject its split: the one it stands in, the given one, or that of its group."""
        self._do("CREATE TEMP TABLE draw(key TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID")
        self._database.executemany("INSERT INTO draw VALUES (?, ?)", drawn)
        self._do(
            "UPDATE subject SET split = coalesce(standing, given, (SELECT coalesce(unit.split, draw.split) "
            "FROM unit LEFT JOIN draw USING (key) WHERE unit.key = subject.unit))"
        )

    def accept_uncontested(self) -> None:
        """Accept every picture that came once and is not in the project."""
        self._do(
            "INSERT INTO contested SELECT picture FROM arrival GROUP BY picture HAVING count(*) > 1 "
            "UNION SELECT picture FROM standing"
        )
        self._do("INSERT INTO accepted SELECT position FROM arrival WHERE picture NOT IN contested")

    def contested(self) -> Iterator[tuple[dict[str, Arrival], Iterator[tuple[int, Arrival]]]]:
        """Yield every other picture: how the project has it, by subject, and its arrivals, training first."""
        query = (
            "SELECT picture, position, record, subject.split FROM arrival JOIN subject ON key = subject "
            "WHERE picture IN contested ORDER BY picture, precedence(subject.split), position"
        )
        for picture, rows in groupby(self._do(query), key=lambda row: row[0]):
            standing_rows = self._do(
                "SELECT subject, record, split FROM standing WHERE picture = ? ORDER BY rank", (picture,)
            )
            standing = {key: Arrival.from_record(record, Split(split)) for key, record, split in standing_rows}
            yield standing, ((row[1], Arrival.from_record(row[2], Split(row[3]))) for row in rows)

    def accept(self, position: int) -> None:
        """Accept one contested arrival."""
        self._do("INSERT INTO accepted VALUES (?)", (position,))

    def accepted(self, *, remarked: bool = False) -> Iterator[Arrival]:
        """Yield the accepted arrivals in order; with `remarked` only those with notes or possible text."""
        which = "WHERE remarked" if remarked else ""
        query = f"SELECT record, subject.split {_ACCEPTED} {which} ORDER BY accepted.position"
        for record, split in self._do(query):
            yield Arrival.from_record(record, Split(split))

    def accepted_files(self) -> Iterator[tuple[int, str]]:
        """Yield the place in the source (from 0) and the file digest of each accepted arrival."""
        digest = f"json_extract(record, '$[{RECORDED.index('file_sha256')}]')"
        yield from self._do(f"SELECT position - 1, {digest} {_ACCEPTED} ORDER BY position")

    def accepted_counts(self) -> Iterator[tuple[Split, tuple[str, ...], bool, int]]:
        """Count accepted arrivals by split, labels and whether the subject is known."""
        names = {number: shown for shown, number in self._shown.items()}
        query = f"SELECT subject.split, shown, known, count(*) {_ACCEPTED} GROUP BY subject.split, shown, known"
        for split, shown, known, count in self._do(query):
            yield Split(split), names[shown], bool(known), count

    def accepted_scales(self) -> dict[ValueScale, int]:
        """Count accepted gray arrivals by what their values stand for."""
        scales = {number: scale for scale, number in self._scales.items()}
        counts = {scales[number]: count for number, count in self._do(f"SELECT scale, count(*) {_ACCEPTED} GROUP BY 1")}
        return {scale: count for scale, count in counts.items() if scale is not None}

    def accepted_levels(self) -> tuple[int, int] | None:
        """The least and the greatest stored value of the accepted arrivals; None without any."""
        low, high = self._do(f"SELECT min(low), max(high) {_ACCEPTED}").fetchone()
        return None if low is None else (low, high)

    def accepted_subjects(self) -> dict[Split, int]:
        """Count the subjects of accepted arrivals by split."""
        query = f"SELECT subject.split, count(DISTINCT key) {_ACCEPTED} GROUP BY subject.split"
        return {Split(split): count for split, count in self._do(query)}

    def files_left(self, count: int) -> Iterator[list[str]]:
        """Yield the digests of stored files that no accepted arrival needs, in lists of `count`."""
        unneeded = self._do("SELECT digest FROM file EXCEPT SELECT digest FROM file JOIN accepted USING (position)")
        while rows := unneeded.fetchmany(count):
            yield [digest for (digest,) in rows]
