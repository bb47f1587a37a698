"""`rounds generator fit --autoencoder-from`: guards, withdrawals and lineage follow the autoencoder."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.errors import AffectedRefused, LeakRefused
from curation.project import Project
from curation.tables.generation import Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import Split, Subject
from generate.registry import add_generator
from tests.cli.queueing import run, work
from tests.rows import NOW
from tests.worlds.generators import tiny_generator


@pytest.fixture
def with_source(curated: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the tiny generator, which was fitted elsewhere on images of its size."""
    add_generator(curated, NOW, tiny_generator(tmp_path_factory) / "tiny-flow")
    return curated


def fit(recipe: Path, *more: str) -> tuple[str, ...]:
    options = ("--recipe", str(recipe), "--autoencoder-from", "tiny-flow")
    return ("generator", "fit", "--snapshot", "real", "--name", "finer", *options, *more)


def seen_by(project: Project, name: str) -> tuple[set[str], set[str]]:
    with project.database.read() as session:
        number = session.scalars(select(Generator.id).where(Generator.name == name)).one()
        keys = select(GeneratorSubject.subject_key).where(GeneratorSubject.generator_id == number)
        pixels = select(GeneratorPixels.pixel_sha256).where(GeneratorPixels.generator_id == number)
        return set(session.scalars(keys)), set(session.scalars(pixels))


@pytest.mark.slow
def test_a_queued_fit_with_an_autoencoder_of_another_saw_what_that_one_saw(with_source: Project, recipe: Path) -> None:
    run(with_source, *fit(recipe, "--queue"))
    assert work(with_source)
    before, after = seen_by(with_source, "tiny-flow"), seen_by(with_source, "finer")
    assert before[0] < after[0]
    assert before[1] < after[1]
    shown = json.loads(run(with_source, "generator", "show", "finer", "--json"))
    assert shown["autoencoder_from"]["name"] == "tiny-flow"
    assert "took over its autoencoder" in run(with_source, "lineage", "generator:finer")
    assert "took over its autoencoder" in run(with_source, "lineage", "generator:tiny-flow")
    run(with_source, *fit(recipe))


def test_an_autoencoder_that_saw_a_held_out_or_withdrawn_subject_is_refused_at_once(
    with_source: Project,
    recipe: Path,
) -> None:
    with with_source.database.write() as session:
        key = min(seen_by(with_source, "tiny-flow")[0])
        subject = session.scalars(select(Subject).where(Subject.split == Split.TRAIN)).first()
        assert subject is not None
        subject.key = key
    run(with_source, "withdraw", key, "--yes", "--reason", "consent withdrawn")
    with pytest.raises(AffectedRefused, match="generator 'tiny-flow' descends from a withdrawn subject"):
        run(with_source, *fit(recipe))
    with with_source.database.write() as session:
        held_out = session.scalars(select(Subject).where(Subject.split == Split.TEST)).first()
        assert held_out is not None
        held_out.key = max(seen_by(with_source, "tiny-flow")[0])
    with pytest.raises(LeakRefused, match="generator 'tiny-flow' was fitted on 1 validation or test subjects"):
        run(with_source, *fit(recipe, "--queue"))
