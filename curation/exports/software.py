"""What exports say they were written by."""

from importlib.metadata import PackageNotFoundError, version

NAME = "Rounds"
NOT_ANONYMOUS = (
    "Synthetic is not presumed anonymous: a generator can give back images it was fitted on, in whole or in part."
)
NOT_FOR_DIAGNOSIS = "For research; not for diagnosis."


def software_version() -> str:
    """The version of Rounds that runs, or `unknown` where it was not installed."""
    try:
        return version("rounds")
    except PackageNotFoundError:
        return "unknown"
