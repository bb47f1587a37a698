"""The plan of a withdrawal names what was measured on real images that included the subject."""

from typing import Any

import pytest
from sqlalchemy import select

from curation.lineage.withdrawal import withdraw
from curation.models.images import BuildStatus, Split, Subject
from curation.models.measures import CheckReport, SetMeasurement
from curation.project import Project
from tests.rows import NOW


def plan_of(project: Project, split: Split) -> dict[str, Any]:
    """The plan for some subject of this split: what it replaces, and the command."""
    with project.database.read() as session:
        key = session.scalars(select(Subject.key).where(Subject.split == split).order_by(Subject.id)).first()
    assert key is not None
    return {step["of"]: step["command"] for step in withdraw(project, NOW, key, "consent withdrawn").plan}


def measure(project: Project) -> None:
    with project.database.write() as session:
        ready = {"status": BuildStatus.READY, "result": {}, "created_at": NOW}
        session.add(CheckReport(kind="privacy", parameters={}, parameters_digest="1" * 64, **ready))
        session.add(SetMeasurement(request={}, request_digest="2" * 64, **ready))


@pytest.mark.slow
@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
def test_error_rates_and_measures_are_taken_again(lived: Project, split: Split) -> None:
    measure(lived)
    plan = plan_of(lived, split)
    assert plan["error rates of privacy"] == "rounds privacy error-rates"
    assert plan["measures of sets"] is None
    assert "error rates of checks" not in plan  # nobody measured them
    assert list(plan)[-1] == "copies"


def test_a_test_subject_is_in_no_measurement(lived: Project) -> None:
    measure(lived)
    assert not {"error rates of privacy", "measures of sets"} & set(plan_of(lived, Split.TEST))
