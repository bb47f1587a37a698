"""A batch is screened alike with images in a directory and on S3."""

from pathlib import Path

import numpy as np
import pytest

from curation.progress import silent
from curation.project import Project
from curation.verification.verify import verify_project
from screening.run import screen_batch
from tests.rows import NOW
from tests.screening.cohort import add_cohort, add_drawn, person
from tests.worlds.recorded import record_rows


@pytest.mark.slow
def test_a_batch_is_screened_from_any_store(stored_project: Project, tiny_vit: Path) -> None:
    add_cohort(stored_project, range(20), range(1_000, 1_004))
    blank = np.zeros((64, 64, 1), np.uint8)
    batch_id = add_drawn(stored_project, [blank, person(3_000), person(3_001)])
    counts = screen_batch(stored_project, batch_id, NOW, silent, str(tiny_vit))
    assert counts["block"] >= 1
    record_rows(stored_project)
    assert verify_project(stored_project, silent).faults == []
