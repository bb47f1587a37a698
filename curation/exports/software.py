"""The name and version that exports state, and the notice they carry."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

NAME = "Rounds"
NOT_ANONYMOUS = (
    "Synthetic is not presumed anonymous: a generator can give back images it was fitted on, in whole or in part."
)
NOT_FOR_DIAGNOSIS = "For research; not for diagnosis."


@cache  # reading a package's metadata costs more than writing an image
def software_version() -> str:
    """Find the version of Rounds that runs, or `unknown` where it was not installed."""
    try:
        return version("rounds")
    except PackageNotFoundError:
        return "unknown"


def notice_text(notice: str | None, *more: str) -> str:
    """Join a notice, 'not for diagnosis' and further sentences."""
    told_already = notice is not None and "not for diagnosis" in notice
    sentences = [notice or "", "" if told_already else NOT_FOR_DIAGNOSIS, *more]
    return " ".join(sentence.rstrip(".") + "." for sentence in sentences if sentence)
