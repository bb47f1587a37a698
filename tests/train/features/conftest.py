"""Fixtures of the tests of cached features."""

from tests.models import one_thread, tiny_vit  # noqa: F401  (fixtures)
