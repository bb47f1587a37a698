"""The project of the tests of controls."""

from tests.worlds.study_room import study_room  # noqa: F401  (a fixture)
