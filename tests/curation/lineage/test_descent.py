"""Everything that descends from a subject is found through every generation."""

from curation.lineage.descent import descent_of
from curation.project import Project


def test_what_descends_is_listed_through_every_generation_and_nothing_changes(lived: Project) -> None:
    before = (lived.root / "rounds.db").read_bytes(), lived.store.files()
    with lived.database.read() as session:
        descent = descent_of(session, lived.root, "s0")
    assert (len(descent.images), len(descent.altered), descent.synthetic) == (2, 1, 12)
    assert [generator.name for generator in descent.generators] == ["g1", "g2", "g3"]
    assert [generator.why for generator in descent.generators] == [
        "saw it",
        "saw it, also through g1",
        "saw it, also through g2",
    ]
    assert [snapshot.name for snapshot in descent.snapshots] == ["base", "second", "third", "fourth"]
    assert descent.snapshots[1].why == "holds 2 of its images and 4 synthetic images that descend from it"
    assert [run.name for run in descent.runs] == ["direct", "other"]
    assert [study.name for study in descent.studies] == ["trial"]
    assert ((lived.root / "rounds.db").read_bytes(), lived.store.files()) == before


def test_a_subject_that_was_held_out_reaches_snapshots_but_no_generator(lived: Project) -> None:
    with lived.database.read() as session:
        descent = descent_of(session, lived.root, "s40")
    assert descent.generators == descent.batches == []
    assert len(descent.snapshots) == 4
    assert [run.why for run in descent.runs] == ["adapted to snapshot base", "adapted to snapshot third"]
