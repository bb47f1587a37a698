"""Exported figures say where the weights behind their features saw public web images."""

from typing import Any

import pytest

from curation.project import Project
from curation.provenance.public_web import BACKBONE_SAW, OVERLAP
from curation.provenance.seen import PUBLIC_WEB
from curation.tables.measures import CheckReport, SetMeasurement
from screening.report.measurements import every_figure
from screening.report.tables import error_rate_table
from screening.set_measures.figures import notices
from tests.worlds.screened import measured

NO_FIGURES: dict[str, Any] = {
    "outcomes": 0,
    "outcomes_by_proxy_alone": 0,
    "notice": "SIMULATED for tests",
    "scopes": [],
    "membership": {"said": True, "attacks": []},
    "map": {"representation": [], "odds": [], "kept_are": "raw"},
}


@pytest.mark.parametrize(("saw", "rows"), [({BACKBONE_SAW: PUBLIC_WEB}, 1), ({}, 0)])
def test_the_table_of_a_measurement_says_what_cannot_be_excluded(saw: dict[str, str], rows: int) -> None:
    measurement = SetMeasurement(request={"backbone": "eye", **saw}, result=NO_FIGURES)
    header, figures = every_figure(measurement, withdrawn=0)
    assert [len(row) for row in figures] == [len(header)] * rows
    assert [row[-1] for row in figures] == [f"eye (public web: {OVERLAP})"] * rows


def test_plots_name_the_backbone_and_the_notice_of_the_images() -> None:
    assert notices(NO_FIGURES, f"eye (public web: {OVERLAP})") == [
        f"Features: eye (public web: {OVERLAP}).",
        "SIMULATED for tests",
    ]


def test_the_table_of_error_rates_says_what_cannot_be_excluded(project: Project) -> None:
    report_id = measured(project)
    with project.database.write() as session:
        report = session.get_one(CheckReport, report_id)
        report.parameters = {**report.parameters, "backbone": "eye", BACKBONE_SAW: PUBLIC_WEB}
    with project.database.read() as session:
        header, rows = error_rate_table(session, report_id)
    assert rows[-1][:3] == ("notice", "features", f"eye (public web: {OVERLAP})")
    assert len(rows[-1]) == len(header)
