"""A measurement shows values beside floors and names proxies, on the page and in the export."""

import base64
import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import select

from curation.project import Project
from curation.tables.images import BuildStatus
from curation.tables.measures import SetMeasurement
from curation.tables.operations import Event
from curation.tables.people import Role
from review_ui.markup.measure_drawings import map_figure, spectrum_figure
from review_ui.markup.measure_tables import (
    measure_tables,
    measures_without_value,
    membership_table,
    odds_tables,
    ratio_tables,
    with_interval,
)
from tests.review_ui.conftest import Browser
from tests.review_ui.routes.test_exports import rows_of, signed_in
from tests.rows import NOW
from tests.screening.set_measures.test_measure import silent
from tests.train.tiny import save_backbone
from tests.worlds.shared import copy_world

PATH = "/rounds/exports/measurements/{}/figures.csv"
Result = dict[str, Any]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, proxy_read_set_world: Path) -> tuple[Result, Result]:
    """Request and result of a real measurement of what a proxy approved."""
    from screening.set_measures.measure import measure_sets
    from screening.set_measures.request import MeasureRequest

    root = tmp_path_factory.mktemp("measured")
    made = Project.open(copy_world(proxy_read_set_world, root / "project"))
    request = MeasureRequest.checked(resamples=20)
    measurement_id = measure_sets(made, request, NOW, silent, str(save_backbone(root / "tiny-vit")))
    with made.database.read() as session:
        row = session.get_one(SetMeasurement, measurement_id)
    made.database.dispose()
    return row.request, row.result


@pytest.fixture
def result(stored: tuple[Result, Result]) -> Result:
    """A result that this test may change."""
    return copy.deepcopy(stored[1])


@pytest.mark.slow
def test_every_measure_stands_beside_its_floor(result: Result) -> None:
    html = measure_tables(result, None)
    with_value = [measure for scope in result["scopes"] for measure in scope["measures"] if measure["value"]]
    assert html.count('<b class="r-own"') == html.count('<b class="r-floor"') == len(with_value) >= 8
    assert with_interval(with_value[0]["value"]) in html
    assert measures_without_value(result) == [
        "Fréchet distance not given: 36 images do not exceed the 64 feature dimensions"
    ]


def test_another_set_stands_beside_scope_by_scope(result: Result) -> None:
    other = copy.deepcopy(result) | {"set": "raw"}
    assert measure_tables(result, other).count("raw, n 36") == measure_tables(result, None).count("n 36")


def test_places_on_a_scale_lie_on_it(result: Result) -> None:
    html = measure_tables(result, None) + ratio_tables(result["map"]) + odds_tables(result["map"])
    places = [float(value) for value in re.findall(r"left:(-?[\d.]+)%", html)]
    assert places
    assert all(-0.01 <= place <= 100.01 for place in places)


def test_names_from_the_database_are_text(result: Result) -> None:
    text = "<script>alert(1)</script>"
    result["set"] = text
    for scope in result["scopes"]:
        scope["scope"] = text
        scope["measures"][0]["note"] = text
    for level in [*result["map"]["representation"], *result["map"]["odds"]]:
        level["level"], level["grouping"] = text, text
    for point in result["map"]["points"]:
        point["class"] = point["kind"] = text
    html = "".join([
        measure_tables(result, result), ratio_tables(result["map"]), odds_tables(result["map"]),
        spectrum_figure(result), map_figure(result["map"]["points"]),
    ])  # fmt: skip
    assert "<script" not in html.lower()


def test_drawings_are_well_formed_and_none_is_told_by_colour_alone(result: Result) -> None:
    html = spectrum_figure(result) + map_figure(result["map"]["points"])
    drawings = [base64.b64decode(image).decode() for image in re.findall(r"base64,([^\"]+)", html)]
    assert len(drawings) == len(result["scopes"]) + 2
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert "stroke-dasharray" in drawings[0]
    assert map_figure([]) == ""


def test_a_membership_that_cannot_be_said_has_no_table(result: Result) -> None:
    assert membership_table(result["membership"]) == ""
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    attack = {"name": "plain distance", "auc": estimate, "found_at_1_percent": estimate, "false_positives": estimate}
    assert "0.5<small>0.4 to 0.6</small>" in membership_table({"attacks": [attack]})


@pytest.mark.parametrize("role", list(Role))
def test_the_figures_are_exported_to_roles_that_see_results(
    project: Project, open_browser: Callable[[], Browser], role: Role, stored: tuple[Result, Result]
) -> None:
    request, result = stored
    with project.database.write() as session:
        row = SetMeasurement(
            request=request, request_digest="1" * 64, status=BuildStatus.READY, result=result, created_at=NOW
        )
        session.add(row)
        session.flush()
        measurement_id = row.id
    browser = signed_in(project, open_browser, role)
    answer = browser.client.get(PATH.format(measurement_id))
    if role not in (Role.CURATOR, Role.ADMINISTRATOR):
        assert answer.status_code == 403
        return
    rows = rows_of(answer.text)
    assert {row["part"] for row in rows} == {"measure", "membership", "modes", "odds"}
    assert {row["outcomes_by"] for row in rows} == {"proxy (a model) alone"}
    with project.database.read() as session:
        event = session.scalars(select(Event).where(Event.kind == "figures.exported")).one()
    assert event.payload["measurement"] == measurement_id
    assert browser.client.get(PATH.format(99)).status_code == 404
