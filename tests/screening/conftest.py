"""Fixtures of the screening tests."""

from tests.models import one_thread, tiny_vit  # noqa: F401  (fixtures)
from tests.worlds.cohort import cohort, cohort_world  # noqa: F401  (fixtures)
from tests.worlds.privacy import privacy_world  # noqa: F401  (a fixture)
from tests.worlds.read_set import cohort_with_notice_world, read_set_world  # noqa: F401  (fixtures)
from tests.worlds.screened import screened_world, screening_id  # noqa: F401  (fixtures)
