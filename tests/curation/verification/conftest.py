"""Fixtures for tests of verification."""

from tests.worlds.study_room import study_room  # noqa: F401  (a fixture)
