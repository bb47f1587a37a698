"""Errors meant for the user: each says what was expected, what was got, and what to do.

    RoundsError
    ├── BadInput         what was given cannot be used: a file, an argument, a recipe
    │   └── NotFound     a name or a path that does not exist
    ├── Conflict         it exists already, or someone else holds it
    ├── LeakRefused      a held-out subject would reach training
    ├── AffectedRefused  what is asked for descends from a withdrawn subject
    ├── Damaged          stored bytes no longer match their digest
    ├── NotAllowed       the person signed in may not do this
    └── Unavailable      a disk that is full, a store or a server that cannot be reached or written to just now

The edges (commands, routes, worker) turn them into one line without a traceback; the library never prints.
"""


class RoundsError(Exception):
    """The family that reaches the user as a message, never as a traceback."""


class BadInput(RoundsError):
    """What was given cannot be used."""


class NotFound(BadInput):
    """A name, a row or a path that does not exist."""


class Conflict(RoundsError):
    """The thing exists already with other content, or is held by someone else."""


class LeakRefused(RoundsError):
    """A held-out subject would reach training, directly or through an ancestor."""


class AffectedRefused(RoundsError):
    """What is asked for descends from a withdrawn subject."""


class Damaged(RoundsError):
    """Stored bytes no longer match their digest."""


class NotAllowed(RoundsError):
    """The person signed in may not do this."""


class Unavailable(RoundsError):
    """A disk is full, or a store or server cannot be reached or written to; the same again may work later."""
