"""A project with everything that can descend from a subject, copied for each test."""

from tests.worlds.lineage import lived, lived_world  # noqa: F401  (fixtures)
