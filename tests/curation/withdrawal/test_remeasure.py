"""A withdrawal's plan names what was measured or judged on the subject, with its command."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from curation.lineage.descent import descent_of
from curation.project import Project
from curation.tables.images import Split, Subject
from curation.withdrawal.rebuild import rebuild_plan
from curation.withdrawal.withdraw import withdraw
from tests.curation.lineage.measured import add_measurement, add_pairs, add_report, drawn_in, image_of
from tests.rows import NOW

LATER = NOW + timedelta(hours=1)


def plan_of(project: Project, split: Split) -> dict[str, Any]:
    """The plan for some subject of this split: what it replaces, and the command."""
    with project.database.read() as session:
        key = session.scalars(select(Subject.key).where(Subject.split == split).order_by(Subject.id)).first()
        assert key is not None
        foreseen = rebuild_plan(session, descent_of(session, project.root, key), "-w1", False)
    done = withdraw(project, LATER, key, "consent withdrawn").plan
    assert done == foreseen  # what is shown beforehand is what is kept
    return {step["of"]: step["command"] for step in done}


def measure(project: Project) -> None:
    add_report(project, "privacy")
    add_report(project, "checks")
    add_measurement(project, images="snapshot", snapshot="second")
    add_measurement(project, batches=[2], n=None)


@pytest.mark.slow
def test_what_rests_on_a_training_subject_is_taken_again_with_the_options_of_then(lived: Project) -> None:
    measure(lived)
    add_pairs(lived, "pairs", drawn_in(lived, 1), image_of(lived, "s0"))
    plan = plan_of(lived, Split.TRAIN)
    assert plan["error rates of privacy, report 1"] == (
        "rounds privacy error-rates --copies 50 --seed 2 --generator g1-w1"
    )
    assert plan["error rates of checks, report 2"] == "rounds screening error-rates --images 60 --seed 3"
    assert plan["measurement 1"] == "rounds measure run --snapshot second-w1 --n 60 --resamples 20 --seed 0"
    assert plan["measurement 2"] == "rounds measure run --images raw --batch 2 --resamples 20 --seed 0"
    assert plan["pairs pairs"] == "rounds pairs create pairs-w1 --suspects 5 --same 0 --different 0 --seed 4"
    assert list(plan)[-1] == "copies"


def test_a_validation_subject_is_in_what_was_measured_but_not_in_pairs(lived: Project) -> None:
    measure(lived)
    add_pairs(lived, "pairs", drawn_in(lived, 1), image_of(lived, "s1"))
    plan = plan_of(lived, Split.VALIDATION)
    assert plan["error rates of privacy, report 1"].endswith("--generator g1")  # it did not see the subject
    assert {"error rates of checks, report 2", "measurement 1", "measurement 2"} <= plan.keys()
    assert "pairs pairs" not in plan


def test_a_test_subject_is_in_no_measurement(lived: Project) -> None:
    measure(lived)
    assert not [of for of in plan_of(lived, Split.TEST) if of.startswith(("error rates", "measurement", "pairs"))]


def test_what_was_measured_before_the_subject_came_is_not_taken_again(lived: Project) -> None:
    add_report(lived, "checks", at=NOW - timedelta(days=1))
    assert not [of for of in plan_of(lived, Split.TRAIN) if of.startswith("error rates")]
