"""What a private release is asked for. Torch-free."""

from curation.requests import FrozenRequest


class PrivateRelease(FrozenRequest):
    """How private a release is: (ε, δ) for each subject, and how long a vector of an image may be (`clip`)."""

    epsilon: float
    delta: float
    clip: float = 1.0
