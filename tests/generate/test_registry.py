"""Generators are registered whole, under one name, and never execute."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import generate.registry
from curation.errors import BadInput, Conflict, Damaged, LeakRefused, NotFound
from curation.project import Project
from curation.provenance.leaks import check_generator_allowed, generator_lineage
from curation.tables.generation import Generator
from curation.tables.images import Split
from curation.tables.operations import Event
from generate.card import read_card, weights_digest, write_card
from generate.registry import add_generator, check_generator, find_generator, list_generators, resolve_directory
from generate.sample import load_pipeline
from tests.rows import NOW, add_import, add_real


@pytest.fixture
def source(fitted: Path, tmp_path: Path) -> Path:
    """A copy of the tiny generator that a test may damage."""
    return Path(shutil.copytree(fitted, tmp_path / "source"))


def change_card(directory: Path, **changes: Any) -> None:
    card = read_card(directory) | changes
    del card["format"]
    write_card(directory, card)


def test_an_added_generator_is_copied_found_and_can_be_opened(project: Project, source: Path) -> None:
    added = add_generator(project, NOW, source)
    shutil.rmtree(source)
    with project.database.read() as session:
        generator = find_generator(session, "tiny-flow")
        assert [listed.name for listed in list_generators(session)] == ["tiny-flow"]
    assert generator.id == added.id
    assert generator.card["classes"] == ["dark", "bright"]
    assert "subjects" not in generator.card["fitted_on"]
    directory = resolve_directory(project, generator)
    assert directory == project.root / "generators" / "tiny-flow"
    assert load_pipeline(directory).classes == ["dark", "bright"]


def test_the_same_generator_again_is_the_same(project: Project, source: Path) -> None:
    first = add_generator(project, NOW, source)
    again = add_generator(project, NOW, source)
    in_place = add_generator(project, NOW, project.root / "generators" / "tiny-flow")
    assert first.id == again.id == in_place.id
    with project.database.read() as session:
        assert session.scalar(select(func.count()).where(Event.kind == "generator.added")) == 1


def test_a_name_that_stands_for_other_weights_is_a_conflict(project: Project, source: Path) -> None:
    add_generator(project, NOW, source)
    pipeline = load_pipeline(source)
    pipeline.unet.conv_out.bias.data += 1
    pipeline.save_pretrained(source)
    change_card(source, digest=weights_digest(source))
    with pytest.raises(Conflict, match="other weights"):
        add_generator(project, NOW, source)
    assert add_generator(project, NOW, source, name="other").name == "other"


def test_an_interrupted_copy_is_taken_up(project: Project, source: Path) -> None:
    shutil.copytree(source, project.directory("generators") / "tiny-flow")
    (project.directory("generators") / ".other.part").mkdir()
    assert add_generator(project, NOW, source).name == "tiny-flow"
    assert add_generator(project, NOW, source, name="other").name == "other"


@pytest.mark.slow
def test_a_directory_of_that_name_with_another_generator_is_a_conflict(project: Project, source: Path) -> None:
    target = Path(shutil.copytree(source, project.directory("generators") / "tiny-flow"))
    change_card(target, made_by="someone else")
    with pytest.raises(Conflict, match="exists already"):
        add_generator(project, NOW, source)


@pytest.mark.parametrize("name", ["setup.py", "unet/weights.bin", "pickle.pkl", "library.so", "no_suffix"])
def test_files_that_could_execute_are_refused_by_name(source: Path, name: str) -> None:
    (source / name).write_bytes(b"")
    with pytest.raises(BadInput, match=name):
        check_generator(source)


def test_links_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text("{}")
    os.symlink(tmp_path / "elsewhere.json", source / "linked.json")
    with pytest.raises(BadInput, match=r"linked\.json"):
        check_generator(source)


def test_components_of_other_libraries_are_refused(source: Path) -> None:
    index = json.loads((source / "model_index.json").read_text())
    (source / "model_index.json").write_text(json.dumps(index | {"scheduler": ["os", "system"]}))
    with pytest.raises(BadInput, match="scheduler from os"):
        check_generator(source)


def test_weights_that_are_not_those_of_the_card_are_refused(project: Project, source: Path) -> None:
    change_card(source, digest="0" * 64)
    with pytest.raises(Damaged, match="its card says weights 0000"):
        add_generator(project, NOW, source)
    assert not (project.root / "generators" / "tiny-flow").exists()


def test_what_is_no_generator_is_named(project: Project, source: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="or the word `shipped`"):
        add_generator(project, NOW, tmp_path / "absent")
    (source / "model_index.json").unlink()
    with pytest.raises(BadInput, match=r"no model_index\.json"):
        add_generator(project, NOW, source)
    (source / "card.json").write_text('{"name": "x"}')
    with pytest.raises(BadInput, match="classes, digest, fitted_on"):
        add_generator(project, NOW, source)
    (source / "card.json").unlink()
    with pytest.raises(NotFound, match=r"no card\.json"):
        add_generator(project, NOW, source)


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden", "", "x" * 101])
def test_a_name_never_leaves_the_generators_directory(project: Project, source: Path, name: str) -> None:
    change_card(source, name=name)
    with pytest.raises(BadInput, match="expected up to 100 letters"):
        add_generator(project, NOW, source)


def test_everything_it_and_its_ancestors_saw_is_registered(project: Project, source: Path) -> None:
    ancestor = {"name": "older", "subjects": ["grandparent"], "pixel_sha256": ["f" * 64]}
    fitted_on = read_card(source)["fitted_on"]
    assert fitted_on["subjects"]
    change_card(source, fitted_on=fitted_on | {"lineage": {"generators": [ancestor]}})
    added = add_generator(project, NOW, source)
    with project.database.read() as session:
        lineage = generator_lineage(session, added)
    assert lineage.subjects == sorted([*fitted_on["subjects"], "grandparent"])
    assert lineage.pixels == sorted([*fitted_on["pixel_sha256"], "f" * 64])


def test_a_held_out_subject_of_an_ancestor_is_caught(project: Project, source: Path) -> None:
    fitted_on = read_card(source)["fitted_on"]
    ancestor = {"name": "older", "subjects": ["s7"], "pixel_sha256": []}
    change_card(source, fitted_on=fitted_on | {"lineage": {"generators": [ancestor]}})
    added = add_generator(project, NOW, source)
    with project.database.write() as session:
        check_generator_allowed(session, added)
        add_real(project, session, add_import(session), 7, "dark", Split.TEST)
    with project.database.read() as session, pytest.raises(LeakRefused, match="s7"):
        check_generator_allowed(session, added)


def test_the_word_shipped_registers_the_weights_beside_the_code(
    project: Project, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate.registry, "SHIPPED", source)
    added = add_generator(project, NOW, "shipped")
    assert added.directory == "shipped"
    assert resolve_directory(project, added) == source
    assert not (project.root / "generators").exists()
    assert add_generator(project, NOW, "shipped").id == added.id


def test_an_unknown_name_lists_those_there_are(project: Project, source: Path) -> None:
    with project.database.read() as session, pytest.raises(NotFound, match="none yet"):
        find_generator(session, "tiny-flow")
    add_generator(project, NOW, source)
    with project.database.read() as session:
        with pytest.raises(NotFound, match="there are: tiny-flow"):
            find_generator(session, "other")
        assert session.scalar(select(func.count()).select_from(Generator)) == 1
