"""Open a store location; turn errors of stores, disks and databases into messages that say what to do."""

import errno
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from curation.errors import BadInput, Conflict, Damaged, DatabaseAway, RoundsError, Unavailable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
MISNAMED = (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.ENOENT, errno.EINVAL)
BROKEN = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN, errno.ENODEV, errno.ENXIO)
OF_THE_DISK = (*FULL, *REFUSED, *MISNAMED, *BROKEN)

_LET_WRITE = "Let this account write to the database file and its directory"
_LET_USE = "Let this account of the database server read and write its tables"
_ACCEPT_WRITES = "Let the database server accept writes"
_LASTING = (_LET_WRITE, _LET_USE, _ACCEPT_WRITES)  # waiting does not help: rights stay as they are

# SQLite's primary result codes when the disk, and not the statement, is at fault.
_SQLITE_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free some space",
    sqlite3.SQLITE_IOERR: "Free some space, or check the disk",
    sqlite3.SQLITE_READONLY: _LET_WRITE,
    sqlite3.SQLITE_PERM: _LET_WRITE,
    sqlite3.SQLITE_CANTOPEN: "Let this account write to the database file and its directory, or free some space",
    sqlite3.SQLITE_BUSY: "Another process has been writing for long. Wait for it to finish",
    sqlite3.SQLITE_PROTOCOL: "Other processes have been writing for long. Wait for them to finish",
}
# PostgreSQL, appendix A: 08 the connection, 57P the server ends or starts, 53 resources, 25006 read-only, 42501 rights.
_POSTGRESQL_REMEDIES = {
    "08": "See whether the database server runs and can be reached",
    "57P": "See whether the database server runs and can be reached",
    "53": "Free resources of the database server",
    "25006": _ACCEPT_WRITES,
    "42501": _LET_USE,
}
_POSTGRESQL_DAMAGED = ("42P01", "42703", "XX001", "XX002")  # no such table or column, damaged data or index
_SQLITE_DAMAGED = ("no such table", "no such column", "has no column named", "Could not decode to UTF-8", "malformed")

_OF_SAFETENSORS = re.compile(r"Os \{ code: (\d+)|\(os error (\d+)\)")  # of one version, and of the next
# What torch says where a file of weights cannot be written, and no more.
_OF_TORCH = re.compile(
    r"PytorchStreamWriter failed writing file|inline_container\.cc.*unexpected pos|basic_ios::clear: iostream error"
)

_SAME_MOMENT = (
    "someone else made or changed the same thing at the same moment; nothing was saved. "
    "Look at what is there now, then try again if you still want it."
)


def check_store_url(url: str) -> str:
    """Return the place of a store when it is a directory or s3://BUCKET/PREFIX; raises BadInput without its keys."""
    expected = "expected a store_url that is a directory or s3://BUCKET/PREFIX"
    if "://" not in url:
        return url
    scheme, rest = url.split("://", 1)
    bucket = rest.split("/", 1)[0]
    if "@" in bucket or (":" in bucket and "@" in rest):  # a secret may hold a slash
        raise BadInput(
            f"{expected}, got one with a user or a key in it. Leave them out: the keys are AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY."
        )
    if scheme not in ("s3", "s3a") or not bucket or "::" in rest:
        raise BadInput(f"{expected}, got {url!r}. Correct it.")
    return url


def open_location(url: str) -> tuple[Any, str, bool]:
    """Open `url`: its file system, the path in it, and whether it is a directory of this machine.

    Without `://` it is a directory, whatever it is called: `::` or `?` in its name means nothing.
    """
    if "://" not in url:
        return LocalFileSystem(), os.path.abspath(url).rstrip("/"), True
    # No cache of listings: other processes write to the same store.
    options = {"use_listings_cache": False} if url.startswith(("s3://", "s3a://")) else {}
    try:
        system, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        raise BadInput(f"the store {url} needs s3fs. Install it: pip install 'rounds[s3]'.") from error
    except ValueError as error:
        raise BadInput(f"expected a store that is a directory or s3://BUCKET/PREFIX, got {url!r}: {error}") from error
    return system, root.rstrip("/"), isinstance(system, LocalFileSystem)


@contextmanager
def explain_store_errors(url: str, doing: str) -> Iterator[None]:
    """Turn errors of the system or the storage service into Unavailable with a remedy.

    A missing file while reading passes. While writing it means a missing bucket or disk, and becomes Unavailable.
    """
    try:
        yield
    except RoundsError:
        raise
    except FileNotFoundError as error:
        if doing == "read":
            raise
        raise Unavailable(f"the store {url} cannot be written to: {error}. {remedy(error)}") from error
    except Exception as error:
        if not isinstance(error, OSError) and not type(error).__module__.startswith(("botocore.", "aiohttp.")):
            raise
        advice = remedy(error, reading=doing == "read")
        raise Unavailable(f"the store {url} cannot be {doing}: {error}. {advice}") from error


def remedy(error: Exception, reading: bool = False) -> str:
    """What the user can do about a storage error."""
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL:
        return "Free some space, then do the same again; nothing half-written was kept."
    if number in REFUSED or isinstance(error, PermissionError):
        return (
            f"Let the account {account()} {'read' if reading else 'write'} there (on S3: its keys), then do it again."
        )
    if isinstance(error, FileNotFoundError):
        return "Make the bucket or directory, or correct store_url in rounds.toml."
    if number in MISNAMED:
        return "Choose another place, or correct store_url in rounds.toml."
    if not isinstance(error, OSError):
        return "Check AWS_ENDPOINT_URL, the network and the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)."
    return "Check the disk or the network it is on, then do the same again."


def describe_disk_error(error: Exception) -> str | None:
    """What happened to a file and what to do, where its disk or its name is at fault; None for any other error."""
    number, place = _disk_error(error)
    if number not in OF_THE_DISK:
        return None
    why = os.strerror(number)
    if number in MISNAMED:
        return f"{place} cannot be used: {why}. Choose another place, then do it again."
    reading = number in REFUSED and _is_unreadable(str(place))
    return f"{place} cannot be {'read' if reading else 'written'}: {why}. {remedy(OSError(number, why), reading)}"


def _is_unreadable(place: str) -> bool:
    """Whether this account may not read a file that is there, or not look into its directory."""
    directory = os.path.dirname(os.path.abspath(place))
    return not os.access(directory, os.X_OK) or (os.path.exists(place) and not os.access(place, os.R_OK))


def _disk_error(error: Exception) -> tuple[int | None, Any]:
    """The system's number of an error and the file; two libraries of weights hide them in a text of their own."""
    if isinstance(error, OSError):
        return error.errno, error.filename or "a file"
    hidden = _OF_SAFETENSORS.search(str(error))
    if hidden is not None:
        return int(hidden[1] or hidden[2]), "a file of weights"
    return (errno.ENOSPC if _OF_TORCH.search(str(error)) else None), "a file of weights"


def account() -> str:
    """The number of the account that this process runs under."""
    return str(os.geteuid())


@contextmanager
def explain_database_errors(place: str) -> Iterator[None]:
    """Turn an error of the database at `place` into one meant for the user; in each case nothing was saved.

    A full disk, a lock held for too long or a lost server becomes DatabaseAway, a read-only file Unavailable; a name
    that another transaction took at the same moment Conflict; a file that is no database, or not whole, Damaged.
    """
    try:
        yield
    except DBAPIError as error:
        explained = explain_database_error(error, place)
        if explained is None:
            raise
        raise explained from error


def explain_database_error(error: DBAPIError, place: str) -> RoundsError | None:
    """The error meant for the user; None where a statement, and not the database, is at fault."""
    if _is_duplicate(error) or _state(error).startswith("40"):  # 40: a deadlock, or a change under our feet
        return Conflict(_SAME_MOMENT)
    why = " ".join(str(error.orig).split())
    if isinstance(error, ProgrammingError) and error.statement is None and not _state(error):  # before any statement
        return BadInput(f"the address of the database {place} cannot be used ({why}). Correct database_url.")
    if _is_damaged(error):
        return Damaged(f"the database {place} is damaged or not one of Rounds ({why}). Restore a backup.")
    if advice := _database_remedy(error):
        kind = Unavailable if advice in _LASTING else DatabaseAway
        return kind(
            f"the database {place} cannot be used just now ({why}); nothing was saved. {advice}, then try again."
        )
    return None


def _is_duplicate(error: DBAPIError) -> bool:
    """Whether another transaction made the same name or key since this one looked."""
    if isinstance(error.orig, sqlite3.Error):
        codes = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
        return isinstance(error, IntegrityError) and getattr(error.orig, "sqlite_errorcode", 0) in codes
    return _state(error) == "23505"


def _is_damaged(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        why = str(error.orig)
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or any(part in why for part in _SQLITE_DAMAGED)
    return _state(error) in _POSTGRESQL_DAMAGED


def _database_remedy(error: DBAPIError) -> str | None:
    if isinstance(error.orig, sqlite3.Error):
        return _SQLITE_REMEDIES.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
    state = _state(error)
    if error.connection_invalidated or (isinstance(error, OperationalError) and not state):
        return _POSTGRESQL_REMEDIES["08"]
    return next((advice for start, advice in _POSTGRESQL_REMEDIES.items() if state.startswith(start)), None)


def _state(error: DBAPIError) -> str:
    """PostgreSQL's code of an error; empty where there is none."""
    return getattr(error.orig, "sqlstate", None) or ""
