"""Error rates of checks are measured under limits of other subjects, and stored once."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from curation.alterations.faults import ALL_FAULTS, Fault
from curation.errors import BadInput
from curation.progress import silent
from curation.project import Project
from curation.tables.measures import CheckReport
from curation.tables.operations import Event
from screening.checks.fitted import CHECKS
from screening.error_rates import checks
from screening.error_rates.checks import measure_checks
from tests.rows import NOW
from tests.screening.cohort import add_cohort
from tests.worlds.recorded import assert_recorded

SOME = ("blank", "noise", "pixel_grid", "ghosting")


@pytest.fixture
def few_faults(monkeypatch: pytest.MonkeyPatch) -> tuple[Fault, ...]:
    """Four kinds only: each costs a forward pass of every image."""
    chosen = tuple(fault for fault in ALL_FAULTS if fault.kind in SOME)
    monkeypatch.setattr(checks, "ALL_FAULTS", chosen)
    return chosen


@pytest.mark.slow
def test_every_rate_is_a_count_with_its_interval_and_is_measured_once(
    project: Project, cohort: dict[int, int], tiny_vit: Path, few_faults: tuple[Fault, ...]
) -> None:
    report_id = measure_checks(project, NOW, silent, str(tiny_vit))
    assert measure_checks(project, NOW, silent, str(tiny_vit)) == report_id
    with project.database.read() as session:
        report = session.scalars(select(CheckReport)).one()
        assert session.scalar(select(func.count()).select_from(Event).where(Event.kind == "checks.measured")) == 1
    assert_recorded(project, "report of error rates")
    assert (report.kind, report.parameters["backbone"]) == ("checks", "tiny-vit")
    untouched, planted = report.result["untouched"], {fault["name"]: fault for fault in report.result["planted"]}
    assert untouched["n"] == 48 == sum(rate["n"] for rate in untouched["by_class"].values())
    assert untouched["caught"] <= 12
    assert set(untouched["by_check"]) == set(CHECKS)
    assert set(planted) == {fault.name for fault in few_faults}
    for rate in planted.values():
        low, high = rate["caught_95"]
        assert low <= rate["caught"] / rate["n"] <= high
        assert rate["blocked"] <= rate["caught"] <= rate["n"] == 48
        assert len(rate["examples"]) == 4
    assert planted["blank, 0 of white"]["blocked"] == 48
    assert planted["noise, 25 levels of 255"]["caught"] == 48
    assert planted["pixel grid, 8 levels of 255"]["by_check"]["power_spectrum"]["caught"] == 48
    repeats = report.result["repeats"]
    assert repeats["repeats"]["exact"]["blocked"] == 48
    assert repeats["different people"]["caught"] == 0


@pytest.mark.slow
def test_a_class_that_is_not_shown_is_seen_by_the_check_that_is_for_it(
    project: Project, cohort: dict[int, int], tiny_vit: Path, few_faults: tuple[Fault, ...]
) -> None:
    measure_checks(project, NOW, silent, str(tiny_vit), images=40)
    with project.database.read() as session:
        wrong = session.scalars(select(CheckReport)).one().result["wrong_label"]
    assert {(fault["true"], fault["asked"]) for fault in wrong} == {("normal", "bright"), ("bright", "normal")}
    assert sum(fault["by_check"]["label_agreement"]["caught"] for fault in wrong) >= 10


@pytest.mark.slow
def test_too_few_held_out_images_are_refused(project: Project, tiny_vit: Path) -> None:
    add_cohort(project, validation=range(1_000, 1_030))
    with pytest.raises(BadInput, match="at least 40 real validation images of 64 x 64, got 30"):
        measure_checks(project, NOW, silent, str(tiny_vit))
