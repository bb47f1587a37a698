"""A withdrawal takes the names of a subject's files out of the reports of imports, and nothing else."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from curation.digests import digest_of
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.project import Project
from curation.tables.images import Import, Split
from curation.tables.operations import Event
from curation.withdrawal.withdraw import withdraw
from tests.rows import NOW, picture

LATER = NOW + timedelta(hours=1)


def source(name: str, *images: IncomingImage) -> Source:
    return Source(name, name, list(images), len(images))


@pytest.fixture
def imported(project: Project) -> Project:
    """p0 came with two files of one picture, p1 with the same picture in another import, p2 with one of its own."""
    picture_entry = IncomingImage("p0-first.png", picture(0), "a", "p0", Split.TRAIN)
    again = IncomingImage("p0-again.png", picture(0), "a", "p0", Split.TRAIN)
    third = IncomingImage("p2.png", picture(2), "a", "p2", Split.TRAIN)
    twin = IncomingImage("p2-twin.png", picture(2), "a", "p2", Split.TRAIN)
    import_source(project, NOW, source("one", picture_entry, again, third, twin))
    import_source(project, NOW, source("two", IncomingImage("p1.png", picture(0), "a", "p1", Split.TRAIN)))
    return project


def reports(project: Project) -> list[str]:
    with project.database.read() as session:
        return [json.dumps(report) for report in session.scalars(select(Import.report).order_by(Import.id))]


def test_names_of_its_files_go_from_every_report_and_entries_stay(imported: Project) -> None:
    before = [json.loads(report) for report in reports(imported)]
    assert "p0-again.png" in json.dumps(before)
    assert "p0-first.png" in json.dumps(before[1])
    withdraw(imported, LATER, "p0", "")
    after = [json.loads(report) for report in reports(imported)]
    assert "p0-" not in json.dumps(after)
    for name in ("p1.png", "p2.png", "p2-twin.png"):
        assert name in json.dumps(after)
    for old, new in zip(before, after, strict=True):
        assert [len(old[key]) for key in ("rejected", "duplicates")] == [
            len(new[key]) for key in ("rejected", "duplicates")
        ]
    repeated = import_source(
        imported, LATER, source("two", IncomingImage("p1.png", picture(0), "a", "p1", Split.TRAIN))
    )
    assert [duplicate.of_file for duplicate in repeated.duplicates] == ["withdrawn"]


def test_the_chain_holds_the_digest_of_what_is_left_and_no_name(imported: Project) -> None:
    withdraw(imported, LATER, "p0", "")
    withdraw(imported, LATER, "p0", "")  # the second changes nothing
    with imported.database.read() as session:
        events = session.scalars(select(Event).where(Event.kind == "import.names_removed")).all()
        rows = {row.id: row.report for row in session.scalars(select(Import))}
    assert [event.payload["entries"] for event in events] == [1, 1]
    assert all(event.payload["report_digest"] == digest_of(rows[event.payload["import"]]) for event in events)
    assert "p0" not in json.dumps([event.payload for event in events])


def test_a_subject_in_no_list_changes_no_report(imported: Project) -> None:
    import_source(imported, NOW, source("three", IncomingImage("p3.png", picture(3), "a", "p3", Split.TRAIN)))
    before = reports(imported)
    withdraw(imported, LATER, "p3", "")
    assert reports(imported) == before
