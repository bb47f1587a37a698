"""What exports say they were written by."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

NAME = "Rounds"
NOT_ANONYMOUS = (
    "Synthetic is not presumed anonymous: a generator can give back images it was fitted on, in whole or in part."
)
NOT_FOR_DIAGNOSIS = "For research; not for diagnosis."


@cache  # reading a package's metadata costs more than writing an image
def software_version() -> str:
    """The version of Rounds that runs, or `unknown` where it was not installed."""
    try:
        return version("rounds")
    except PackageNotFoundError:
        return "unknown"


def told(notice: str | None, *more: str) -> str:
    """A notice, that it is not for diagnosis, and what else must be said, as sentences."""
    told_already = notice is not None and "not for diagnosis" in notice
    sentences = [notice or "", "" if told_already else NOT_FOR_DIAGNOSIS, *more]
    return " ".join(sentence.rstrip(".") + "." for sentence in sentences if sentence)
