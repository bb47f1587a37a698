"""Errors meant for the user: each says what was expected, what was got, and what to do.

    RoundsError
    ├── BadInput         a file, an argument or a recipe cannot be used
    │   └── NotFound     a name or a path that does not exist
    ├── Conflict         the thing exists already, or someone else holds it
    │   └── Busy         another process does the same now, and it can be waited for
    ├── LeakRefused      a held-out subject would reach training
    ├── AffectedRefused  the result would descend from a withdrawn subject
    ├── Damaged          stored bytes no longer match their digest
    ├── Diverged         a fit or a model gives no finite numbers any more
    ├── NotAllowed       the person signed in may not do this
    └── Unavailable      a disk is full, or a store or server cannot be reached or written to
        └── DatabaseAway the database is locked, on a full disk or out of reach just now; waiting helps

The edges (commands, routes, worker) turn them into one line without a traceback; the library never prints. No message
holds the password of an address: it may end in a log, on a screenshot or in the row of a job.
"""

import re

_HIDDEN = "***"
_USER_INFO = re.compile(r"(?<=://)([^\s/?#:@'\"]*):[^\s'\"]*@")  # to the last @: a password may hold one, and a slash
_IN_QUERY = re.compile(r"(?i)([?&][\w-]*(?:password|passwd|secret|token|credential|key)[\w-]*=)[^&\s'\"]*")

_LINK = re.compile(  # of SQLAlchemy, pydantic and others: a sentence of its own, or one in brackets
    r"\s*(?:\((?:Background on this [^()]{1,60}|[Ss]ee[^()]{0,60}|For (?:more|further) [^()]{1,60})https?://[^\s()]+\)"
    r"|(?:For (?:more|further) (?:information|details)[^\n.]{0,40}|Background on this [\w ]{1,30}at: *)https?://[^\s()'\"]+)"
)

# What is left: an address of pages about software, by its host. Nobody's server, store or provider stands there.
_PAGES = re.compile(
    r"https?://(?:[\w-]+\.)*(?:docs?\.[\w.-]+|readthedocs\.\w+|github\.com|githubusercontent\.com|huggingface\.co|hf\.co"
    r"|pytorch\.org|python\.org|pydata\.org|numpy\.org|scipy\.org|scikit-learn\.org|matplotlib\.org|streamlit\.io"
    r"|sqlalche\.me|sqlalchemy\.org|sqlite\.org|postgresql\.org|palletsprojects\.com|pydantic\.dev|uvicorn\.dev"
    r"|arxiv\.org|wikipedia\.org)(?:[:/?#][^\s()<>'\"]*?)?(?=[.,;:]?(?:[\s()<>'\"]|$))"
)
_A_PAGE = "(a page of its library)"


def hide_passwords(text: str) -> str:
    """Replace passwords and keys in the addresses of a text by `***`."""
    return _IN_QUERY.sub(rf"\1{_HIDDEN}", _USER_INFO.sub(rf"\1:{_HIDDEN}@", text))


def plain_message(text: str) -> str:
    """A text for the user: without passwords, and without the links that libraries add to their own messages.

    A sentence or bracket that only leads to such a link goes; from any other sentence the link goes, and it is said
    that there was one.
    """
    return _PAGES.sub(_A_PAGE, _LINK.sub("", hide_passwords(text)))


class RoundsError(Exception):
    """The base of the errors that reach the user as a message, without a traceback."""

    def __init__(self, message: str = "") -> None:
        super().__init__(plain_message(message))


class BadInput(RoundsError):
    """A file, an argument or a recipe cannot be used."""


class NotFound(BadInput):
    """A name, a row or a path that does not exist."""


class Conflict(RoundsError):
    """The thing exists already with other content, or someone else holds it."""


class Busy(Conflict):
    """Another process does the same now; it can be waited for."""


class LeakRefused(RoundsError):
    """A held-out subject would reach training, directly or through an ancestor."""


class AffectedRefused(RoundsError):
    """The result would descend from a withdrawn subject."""


class Damaged(RoundsError):
    """Stored bytes no longer match their digest."""


class Diverged(RoundsError):
    """A fit, or a model that was fitted, gives NaN or infinity: it is no result."""


class NotAllowed(RoundsError):
    """The person signed in may not do this."""


class Unavailable(RoundsError):
    """A disk is full, or a store or server cannot be reached or written to; trying again later may work."""


class DatabaseAway(Unavailable):
    """The database is locked, on a full disk or out of reach just now; trying again later may work."""
