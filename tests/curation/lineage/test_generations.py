"""Guards through any number of generations: what a great-grandparent saw, its descendants saw."""

import json

import pytest
from sqlalchemy import select

from curation.errors import LeakRefused
from curation.project import Project
from curation.provenance.leaks import check_generator_allowed, generator_lineage
from curation.provenance.seen import Seen
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Split, Subject
from generate.card import describe_fitted_images
from tests.rows import add_import, add_real
from tests.worlds.lineage import RAW, draw, drawn_rows, fill, fit, generations, snapshot, weights_of
from train.adaptation.seen import collect_seen


def saw(project: Project, name: str) -> tuple[set[str], set[str]]:
    with project.database.read() as session:
        generator = session.scalars(select(Generator.id).where(Generator.name == name)).one()
        keys = session.scalars(select(GeneratorSubject.subject_key).where(GeneratorSubject.generator_id == generator))
        pixels = session.scalars(select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == generator))
        return set(keys), set(pixels)


def test_the_third_generation_saw_what_the_first_saw(project: Project) -> None:
    fill(project)
    generations(project)
    first, third = saw(project, "g1"), saw(project, "g3")
    assert {f"s{number}" for number in range(9)} == first[0] == third[0]
    assert first[1] < third[1]
    assert len(third[1]) == len(first[1]) + 4 + 4  # the pictures of both generations between


def test_a_held_out_subject_of_the_first_generation_stops_the_third(project: Project) -> None:
    fill(project)
    generations(project)
    with project.database.write() as session:
        session.scalars(select(Subject).where(Subject.key == "s3")).one().split = Split.TEST
    with project.database.read() as session:
        youngest = session.scalars(select(Generator).where(Generator.name == "g3")).one()
        with pytest.raises(LeakRefused, match="s3"):
            check_generator_allowed(session, youngest)
    with pytest.raises(LeakRefused, match="s3"):
        snapshot(project, "fifth", RAW)


@pytest.mark.slow
def test_equal_pixels_under_another_name_stop_the_third_generation_too(project: Project) -> None:
    fill(project)
    generations(project)
    with project.database.write() as session:
        twin = add_real(project, session, add_import(session, "second"), 3_003, "a", Split.VALIDATION)
        twin.pixel_sha256 = next(iter(saw(project, "g1")[1]))
    with project.database.read() as session:
        youngest = session.scalars(select(Generator).where(Generator.name == "g3")).one()
        with pytest.raises(LeakRefused):
            check_generator_allowed(session, youngest)


@pytest.mark.slow
def test_training_on_the_last_snapshot_is_held_against_every_generation(project: Project) -> None:
    fill(project)
    generations(project)
    folder = snapshot(project, "fourth", RAW)
    seen = collect_seen(folder, Seen(frozenset(), frozenset()))
    assert saw(project, "g1")[1] <= seen.pixel_sha256
    row = folder.rows("train")[0]
    with pytest.raises(LeakRefused):
        seen.refuse_leak([row], "test")
    seen.refuse_leak(folder.rows("test"), "test")


@pytest.mark.slow
def test_a_generator_fitted_on_real_rows_alone_does_not_inherit_what_it_did_not_use(project: Project) -> None:
    fill(project)
    generations(project)
    folder = snapshot(project, "fourth", RAW)
    real = [row for row in folder.rows("train") if row.origin == "real"]
    assert describe_fitted_images(folder, real)["lineage"]["generators"] == []
    drawn = drawn_rows(folder, weights_of("3"))
    assert [entry["name"] for entry in describe_fitted_images(folder, drawn)["lineage"]["generators"]] == ["g3"]


@pytest.mark.slow
def test_an_ancestor_that_does_not_say_what_it_saw_makes_every_descendant_unknown(project: Project) -> None:
    fill(project)
    base = snapshot(project, "base")
    fit(project, "g1", base, [], "1")
    draw(project, "g1", 10_000)
    with pytest.raises(LeakRefused, match="does not say what it was fitted on"):
        snapshot(project, "second", RAW)
    overridden = MixRecipe(synthetic="raw", allow_unknown_provenance=True)
    second = snapshot(project, "second", overridden)
    fit(project, "g2", second, drawn_rows(second, weights_of("1")), "2")
    draw(project, "g2", 20_000)
    third = snapshot(project, "third", overridden)
    fit(project, "g3", third, drawn_rows(third, weights_of("2")), "3")
    with project.database.read() as session:
        youngest = session.scalars(select(Generator).where(Generator.name == "g3")).one()
        known = generator_lineage(session, youngest)
    assert not known.provenance_known
    assert known.unknown == ("g2",)
    draw(project, "g3", 30_000)
    with pytest.raises(LeakRefused, match="does not say"):
        snapshot(project, "fourth", RAW)
    fourth = snapshot(project, "fourth", overridden)
    assert collect_seen(fourth, Seen(frozenset(), frozenset())).unknown == (
        "generator g1",
        "generator g2",
        "generator g3",
    )


@pytest.mark.slow
def test_synthetic_rows_whose_generator_nobody_describes_are_of_unknown_provenance(project: Project) -> None:
    fill(project)
    generations(project)
    folder = snapshot(project, "fourth", RAW)
    manifest = json.loads((folder.path / "snapshot.json").read_text())
    manifest["lineage"]["generators"] = []
    (folder.path / "snapshot.json").write_text(json.dumps(manifest))
    stripped = type(folder).open(folder.path)
    [entry] = describe_fitted_images(stripped, drawn_rows(stripped, weights_of("3")))["lineage"]["generators"]
    assert (entry["provenance"], entry["weights_digest"]) == ("UNKNOWN", weights_of("3"))
