"""What is imported, built or registered after a withdrawal is without the subject or marked."""

import pytest
from sqlalchemy import select

from curation.errors import Conflict
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.project import Project
from curation.provenance.withdrawn import affected_notes
from curation.snapshots.build import list_snapshots
from curation.snapshots.folder import SnapshotFolder
from curation.tables.generation import Generator
from curation.tables.images import Split
from curation.tables.withdrawals import AffectedKind
from curation.withdrawal.withdraw import withdraw
from tests.rows import NOW, picture
from tests.worlds.lineage import RAW, draw, fit, snapshot


def test_a_withdrawn_subject_and_its_pictures_do_not_come_back(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "")
    stored = lived.store.files()
    items = [
        IncomingImage("again.png", picture(0), "a", "s0", Split.TRAIN),
        IncomingImage("new-picture.png", picture(5_000), "a", "s0", Split.TRAIN),
        IncomingImage("other-name.png", picture(0), "a", "somebody", Split.TRAIN),
        IncomingImage("fine.png", picture(5_001), "a", "s77", Split.TRAIN),
    ]
    report = import_source(lived, NOW, Source("again", "again", items, 4))
    assert report.added == 1
    assert [rejection.source_file for rejection in report.rejected] == [
        "again.png",
        "new-picture.png",
        "other-name.png",
    ]
    assert all(rejection.reason.startswith("withdrawn") for rejection in report.rejected)
    assert len(lived.store.files() - stored) == 1


def test_the_same_source_again_says_how_much_was_withdrawn_since(project: Project) -> None:
    source = Source("one", "one", [IncomingImage("0.png", picture(0), "a", "p0", Split.TRAIN)], 1)
    import_source(project, NOW, source)
    withdraw(project, NOW, "p0", "")
    report = import_source(project, NOW, source)
    assert report.repeated
    assert report.notes[-1] == "1 of its images were withdrawn since; they do not come back."


def test_snapshots_built_afterwards_are_without_it_and_say_what_reaches_them(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "")
    clean = snapshot(lived, "clean")
    assert "s0" not in {row.subject for row in clean.rows("train")}
    assert clean.affected == []
    mixed = snapshot(lived, "mixed", RAW)
    assert mixed.affected == ["AFFECTED by withdrawal 1 (2026-11-23)"]
    with lived.database.read() as session:
        lines = {line.name: line.affected for line in list_snapshots(session)}
    assert lines["clean"] is None
    assert lines["mixed"]


@pytest.mark.slow
def test_a_snapshot_that_was_being_written_meanwhile_is_refused(
    lived: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import curation.snapshots.build as building

    write = building._write_folder

    def withdrawn_meanwhile(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        withdraw(lived, NOW, "s2", "")

    monkeypatch.setattr(building, "_write_folder", withdrawn_meanwhile)
    with pytest.raises(Conflict, match="was withdrawn while this snapshot was written"):
        snapshot(lived, "late")


def test_a_generator_registered_afterwards_that_saw_it_is_marked(lived: Project) -> None:
    base = SnapshotFolder.open(lived.root / "snapshots" / "base")
    withdraw(lived, NOW, "s0", "")
    fit(lived, "late", base, base.rows("train"), "4")
    fit(lived, "fine", base, [row for row in base.rows("train") if row.subject != "s0"], "5")
    with lived.database.read() as session:
        reached = affected_notes(session, AffectedKind.GENERATOR)
        names = {generator.name for generator in session.scalars(select(Generator).where(Generator.id.in_(reached)))}
    assert names == {"g1", "g2", "g3", "late"}
    draw(lived, "late", 40_000)
