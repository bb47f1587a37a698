"""The gate's error rates are measured on subjects that set no threshold, and stored once."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from curation.errors import BadInput
from curation.estimates import rounded_proportion
from curation.progress import silent
from curation.project import Project
from curation.tables.images import Image
from curation.tables.measures import CheckReport
from curation.tables.operations import Event
from screening.error_rates.privacy import PrivacyPlan, reached
from screening.error_rates.privacy_figure import plot_error_rates
from screening.error_rates.privacy_run import KIND, STAND_IN, measure_privacy
from screening.report.rates import newest_report
from tests.rows import NOW
from tests.screening.cohort import add_cohort
from tests.worlds.privacy import read_measured
from tests.worlds.recorded import assert_recorded
from tests.worlds.shared import fill_from


def test_caught_is_said_by_the_lower_bound_and_of_too_few_nothing() -> None:
    assert reached(rounded_proportion(200, 200)) == "yes"
    assert reached(rounded_proportion(197, 200)) == "yes"
    assert reached(rounded_proportion(196, 200)) == "no"
    assert reached(rounded_proportion(71, 71)) == "cannot be said"
    assert reached(rounded_proportion(72, 72)) == "yes"
    assert rounded_proportion(0, 154)["high"] == pytest.approx(0.0237, abs=1e-4)


@pytest.mark.slow
def test_rates_are_measured_on_other_subjects_and_kept(project: Project, privacy_world: Path, tmp_path: Path) -> None:
    fill_from(project, privacy_world / "project")
    measured, examples = read_measured(privacy_world)
    result, parameters = measured["result"], measured["parameters"]
    assert (parameters["backbone"], parameters["autoencoder"]) == ("tiny-vit", STAND_IN)
    counts = result["counts"]
    assert (counts["tuning_subjects"], counts["measuring_subjects"]) == (41, 41)
    assert [row["n"] for row in result["false_blocks"]] == [41, 41]
    assert all(row["count"] <= 4 for row in result["false_blocks"])
    assert {row["within"] for row in result["false_blocks"]} <= {"cannot be said", "no"}
    by_cell = {(row["kind"], row["severity"]): row for row in result["caught"]}
    assert len(by_cell) == 30
    assert by_cell["none", 0]["count"] == by_cell["flip", 1]["count"] == 1
    assert {row["reached"] for row in result["caught"]} == {"cannot be said"}
    pictures = plot_error_rates(measured, examples, tmp_path / "pictures")
    assert [path.name for path in pictures] == ["privacy-caught.png", "privacy-pairs.png"]
    assert all(path.stat().st_size > 5_000 for path in pictures)
    with project.database.read() as session:
        kept = newest_report(session, KIND)
    assert kept is not None
    assert kept.result["caught"][0]["kind"] == "none"
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CheckReport)) == 1
        assert session.scalars(select(Event.kind)).all() == ["privacy.measured"]
    assert_recorded(project, "report of error rates")


@pytest.mark.slow
def test_too_few_validation_subjects_give_no_rate(project: Project, tiny_vit: Path, tmp_path: Path) -> None:
    add_cohort(project, train=range(0, 20), validation=range(1_000, 1_050))
    measured, examples = measure_privacy(project, NOW, PrivacyPlan(), silent, backbone_path=str(tiny_vit))
    assert measured["result"]["cannot_be_said"] == "25 real validation images, 40 are needed"
    assert "caught" not in measured["result"]
    assert plot_error_rates(measured, examples, tmp_path / "pictures") == []


@pytest.mark.slow
def test_a_withdrawn_image_is_neither_searched_nor_copied(project: Project, tiny_vit: Path) -> None:
    images = add_cohort(project, train=range(0, 20), validation=range(1_000, 1_050))
    with project.database.write() as session:
        session.get_one(Image, images[3]).withdrawn_at = NOW
    measured, _ = measure_privacy(project, NOW, PrivacyPlan(), silent, backbone_path=str(tiny_vit))
    assert measured["result"]["counts"]["training_images"] == 19


def test_without_real_images_nothing_is_measured(project: Project, tiny_vit: Path) -> None:
    with pytest.raises(BadInput, match="expected real training or validation images, the project has none"):
        measure_privacy(project, NOW, PrivacyPlan(), silent, backbone_path=str(tiny_vit))


def test_plans_are_read_strictly() -> None:
    with pytest.raises(ValueError, match="copies"):
        PrivacyPlan(copies=0)
