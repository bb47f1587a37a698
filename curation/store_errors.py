"""Open a store location, and turn its errors into messages that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from curation.errors import BadInput, RoundsError, Unavailable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def open_location(url: str) -> tuple[Any, str, bool]:
    """Open `url`: its file system, the path in it, and whether it is a directory of this machine."""
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
        raise Unavailable(f"the store {url} cannot be {doing}: {error}. {remedy(error)}") from error


def remedy(error: Exception) -> str:
    """What the user can do about a storage error."""
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL:
        return "Free some space, then do the same again; nothing half-written was kept."
    if number in REFUSED or isinstance(error, PermissionError):
        return f"Let the account {account()} write there (on S3: its keys), then do the same again."
    if isinstance(error, FileNotFoundError):
        return "Make the bucket or directory, or correct store_url in rounds.toml."
    if not isinstance(error, OSError):
        return "Check AWS_ENDPOINT_URL, the network and the keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)."
    return "Check the disk or the network it is on, then do the same again."


def describe_disk_error(error: OSError) -> str | None:
    """What happened to a file and what to do, where the disk is full or refuses; None for any other error."""
    if error.errno not in OF_THE_DISK:
        return None
    return f"{error.filename or 'a file'} cannot be written: {error.strerror}. {remedy(error)}"


def account() -> str:
    """The number of the account that this process runs under."""
    return str(os.geteuid())
