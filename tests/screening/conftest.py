"""Fixtures of the screening tests."""

from tests.models import one_thread, tiny_vit  # noqa: F401  (fixtures)
