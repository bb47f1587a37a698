"""What the checks said, and how often they err, as CSV: for those who make batches, and nobody else."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from curation.project import Project
from curation.tables.operations import Event
from curation.tables.people import Role
from tests.review_ui.conftest import Browser
from tests.review_ui.routes.test_exports import rows_of, signed_in
from tests.worlds.screened import measured, screened


@pytest.mark.parametrize("role", list(Role))
def test_only_those_who_make_batches_may_export(
    project: Project, open_browser: Callable[[], Browser], role: Role, worklist_id: int
) -> None:
    screening_id, report_id = screened(project), measured(project)
    browser = signed_in(project, open_browser, role)
    expected = 200 if role in (Role.CURATOR, Role.ADMINISTRATOR) else 403
    for path in (f"screenings/{screening_id}/verdicts", f"error-rates/{report_id}"):
        assert browser.client.get(f"/rounds/exports/{path}.csv").status_code == expected


def test_tables_hold_the_rows_and_the_chain_says_who_took_them(
    project: Project, open_browser: Callable[[], Browser], worklist_id: int
) -> None:
    screening_id, report_id = screened(project), measured(project)
    browser = signed_in(project, open_browser, Role.CURATOR)
    verdicts = rows_of(browser.client.get(f"/rounds/exports/screenings/{screening_id}/verdicts.csv").text)
    assert [(row["class"], row["flag"]) for row in verdicts] == [("bright", "1"), ("normal", "0")]
    rates = rows_of(browser.client.get(f"/rounds/exports/error-rates/{report_id}.csv").text)
    planted = [row for row in rates if row["images"] == "planted"]
    assert [(row["check"], row["caught"], row["n"]) for row in planted] == [
        ("all together", "2", "4"),
        ("brightness", "2", "4"),
    ]
    with project.database.read() as session:
        events = session.scalars(select(Event).where(Event.kind == "figures.exported").order_by(Event.sequence)).all()
    assert [set(event.payload) for event in events] == [{"screening", "figure", "by"}, {"check_report", "by"}]


def test_what_is_not_there_is_not_found(
    project: Project, open_browser: Callable[[], Browser], worklist_id: int
) -> None:
    screening_id = screened(project)
    browser = signed_in(project, open_browser, Role.CURATOR)
    for path in (f"screenings/{screening_id}/nothing", "screenings/99/verdicts", "error-rates/99"):
        assert browser.client.get(f"/rounds/exports/{path}.csv").status_code == 404
    privacy = measured(project, kind="privacy")
    assert browser.client.get(f"/rounds/exports/error-rates/{privacy}.csv").status_code == 404
