"""Figures as CSV: who gets them, what is in them, and that no spreadsheet runs a cell."""

import csv
import io
from collections.abc import Callable

import pytest
from sqlalchemy import select

from curation.project import Project
from curation.tables.operations import Event
from curation.tables.people import Reader, Role
from review_ui.routes.exports import write_csv
from tests.review_ui.conftest import Browser
from tests.review_ui.test_figures import read

ACCEPTANCE = "/rounds/exports/worklists/{}/acceptance.csv"


def signed_in(project: Project, open_browser: Callable[[], Browser], role: Role) -> Browser:
    """A browser signed in as ben, who has this role."""
    with project.database.write() as session:
        session.scalars(select(Reader).where(Reader.name == "ben")).one().role = role
    browser = open_browser()
    assert browser.sign_in("ben") == 200
    return browser


def rows_of(text: str) -> list[dict[str, str]]:
    """A CSV as one dictionary a row."""
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("role", list(Role))
def test_only_roles_that_see_results_may_export(
    project: Project, worklist_id: int, open_browser: Callable[[], Browser], role: Role
) -> None:
    answer = signed_in(project, open_browser, role).client.get(ACCEPTANCE.format(worklist_id))
    assert answer.status_code == (200 if role in (Role.CURATOR, Role.ADMINISTRATOR) else 403)


def test_a_table_holds_what_was_read_and_the_chain_says_who_took_it(
    project: Project, worklist_id: int, open_browser: Callable[[], Browser]
) -> None:
    read(project, worklist_id, "ada", "aaxs")
    browser = signed_in(project, open_browser, Role.CURATOR)
    rows = rows_of(browser.client.get(ACCEPTANCE.format(worklist_id)).text)
    by_batch = [row for row in rows if row["dimension"] == "batch"]
    assert [(row["read_by"], row["mode"], row["hits"], row["n"]) for row in by_batch] == [("human", "single", "2", "4")]
    with project.database.read() as session:
        event = session.scalars(select(Event).where(Event.kind == "figures.exported")).one()
        ben = session.scalars(select(Reader.id).where(Reader.name == "ben")).one()
    assert event.payload == {"worklist": worklist_id, "figure": "acceptance", "by": ben}


@pytest.mark.parametrize("role", [Role.CURATOR, Role.ADMINISTRATOR])
def test_readers_stand_by_id_for_all_but_administrators(
    project: Project, worklist_id: int, open_browser: Callable[[], Browser], role: Role
) -> None:
    read(project, worklist_id, "ada", "aax", elapsed_ms=3000, idle_ms=1000)
    browser = signed_in(project, open_browser, role)
    (row,) = rows_of(browser.client.get(f"/rounds/exports/worklists/{worklist_id}/times.csv").text)
    assert (row["reader"] == "ada") is (role is Role.ADMINISTRATOR)
    assert (row["n"], row["median_s"], row["low_95"]) == ("3", "2.0", "")


def test_an_unknown_figure_or_worklist_is_not_found(
    project: Project, worklist_id: int, open_browser: Callable[[], Browser]
) -> None:
    browser = signed_in(project, open_browser, Role.CURATOR)
    assert browser.client.get(f"/rounds/exports/worklists/{worklist_id}/secrets.csv").status_code == 404
    assert browser.client.get(ACCEPTANCE.format(999)).status_code == 404


def test_no_text_is_a_formula_to_a_spreadsheet() -> None:
    text = write_csv((("name", "value"), [("=cmd|' /C calc'!A0", -1.5), ("@sum", 2), ("+1", None), ('a "b", c', 3)]))
    assert text.splitlines() == ["name,value", "'=cmd|' /C calc'!A0,-1.5", "'@sum,2", "'+1,", '"a ""b"", c",3']


def test_the_study_names_readers_to_administrators_alone(
    project: Project, worklist_id: int, open_browser: Callable[[], Browser]
) -> None:
    read(project, worklist_id, "ada", "aax")
    path = f"/rounds/exports/worklists/{worklist_id}/study.csv"
    to_curator = rows_of(signed_in(project, open_browser, Role.CURATOR).client.get(path).text)
    to_administrator = rows_of(signed_in(project, open_browser, Role.ADMINISTRATOR).client.get(path).text)
    assert "ada" not in {row["reader"] for row in to_curator}
    assert "ada" in {row["reader"] for row in to_administrator}
    assert "too few" in next(row["note"] for row in to_curator if row["figure"] == "d'")
