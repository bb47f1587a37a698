"""Passwords that cost little to hash, for tests of everything but hashing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from curation.readers import passwords


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """Hash by the same code at argon2's least cost; a hash carries its cost, so that checks are as cheap."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield
