"""A small project with everything that can descend from a subject."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import select

from curation.progress import silent
from curation.project import Project
from curation.provenance.weights import weights_digest
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image, ImageLabel, Mask, Origin, Split, Subject
from curation.tables.training import Run, Snapshot, Study
from generate.card import describe_fitted_images
from generate.registry import register_generator
from tests.rows import NOW, add_batch, add_image, add_import, add_real, label_id, picture
from tests.worlds.recorded import record_rows
from tests.worlds.shared import copy_world, make_once

REAL_ONLY = MixRecipe(synthetic="none")
RAW = MixRecipe(synthetic="raw")


def fill(project: Project) -> None:
    """Subjects s0 to s8 for training, s20 to s23 for validation, s40 to s43 for testing; s0 has a second image."""
    with project.database.write() as session:
        source = add_import(session, "first")
        for number in range(9):
            add_real(project, session, source, number, "ab"[number % 2], Split.TRAIN)
        for number in range(4):
            add_real(project, session, source, 20 + number, "ab"[number % 2], Split.VALIDATION)
            add_real(project, session, source, 40 + number, "ab"[number % 2], Split.TEST)
        owner = session.scalars(select(Subject).where(Subject.key == "s0")).one()
        second = {"origin": Origin.REAL, "import_id": source.id, "subject_id": owner.id, "source_file": "jane.png"}
        image = add_image(project, session, picture(900), **second, covariates={"age": 61})
        session.add(ImageLabel(image_id=image.id, label_id=label_id(session, "a"), source="import", value=1.0))
        session.add(Mask(image_id=image.id, name="lesion", file_sha256=project.store.put_pixels(picture(901))))


def snapshot(project: Project, name: str, recipe: MixRecipe = REAL_ONLY, minutes: int = 0) -> SnapshotFolder:
    """Build a snapshot, some minutes after noon."""
    return build_snapshot(project, name, recipe, NOW + timedelta(minutes=minutes), silent)


def write_weights(directory: Path, digit: str) -> str:
    """A folder with a weights file in it; returns its digest."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.safetensors").write_text(digit)
    return weights_digest(directory)


@cache
def weights_of(digit: str) -> str:
    """The digest of weights that are one digit."""
    with TemporaryDirectory() as directory:
        return write_weights(Path(directory), digit)


def fit(
    project: Project, name: str, folder: SnapshotFolder, rows: list[SnapshotRow], digit: str, minutes: int = 0
) -> Generator:
    """Register a generator whose card says that it was fitted on `rows`; its weights are one digit."""
    digest = write_weights(project.root / "generators" / name, digit)
    card = {"name": name, "classes": ["a", "b"], "digest": digest, "fitted_on": describe_fitted_images(folder, rows)}
    at = NOW + timedelta(minutes=minutes)
    with project.database.write() as session:
        return register_generator(session, project.chain, at, name, f"generators/{name}", card)


def draw(project: Project, name: str, first: int, minutes: int = 0, count: int = 4) -> list[int]:
    """A batch of a generator; returns the ids of its images."""
    with project.database.write() as session:
        generator = session.scalars(select(Generator).where(Generator.name == name)).one()
        images = add_batch(project, session, generator, ["a", "b"] * (count // 2), first)
        batch = session.scalars(select(Batch).where(Batch.generator_id == generator.id)).one()
        batch.request = {"generator": name, "counts": {"a": count // 2, "b": count // 2}, "seed": 7}
        batch.created_at = NOW + timedelta(minutes=minutes)
        return [image.id for image in images]


def drawn_rows(folder: SnapshotFolder, generator: str) -> list[SnapshotRow]:
    """The training rows that a generator drew."""
    return [row for row in folder.rows("train") if row.generator == generator]


def generations(project: Project) -> None:
    """g1 is fitted on real images, g2 on images of g1 alone, g3 on images of g2 alone, each from a snapshot."""
    base = snapshot(project, "base")
    fit(project, "g1", base, base.rows("train"), "1", 1)
    draw(project, "g1", 10_000, 2)
    second = snapshot(project, "second", RAW, 3)
    fit(project, "g2", second, drawn_rows(second, weights_of("1")), "2", 4)
    draw(project, "g2", 20_000, 5)
    third = snapshot(project, "third", RAW, 6)
    fit(project, "g3", third, drawn_rows(third, weights_of("2")), "3", 7)
    draw(project, "g3", 30_000, 8)
    snapshot(project, "fourth", RAW, 9)


def add_run(
    project: Project,
    name: str,
    of: str,
    minutes: int = 10,
    backbone: str = "shipped",
    saw: dict[str, Any] | None = None,
) -> Path:
    """A finished run with the card that says what its weights saw."""
    directory = project.root / "runs" / name
    (directory / "model").mkdir(parents=True)
    card = {
        "kind": "run",
        "digest": write_weights(directory, "9"),
        "saw": {"subjects": [], "pixel_sha256": [], "unknown": [], **(saw or {})},
    }
    (directory / "card.json").write_text(json.dumps(card))
    with project.database.write() as session:
        snapshot_id = session.scalars(select(Snapshot.id).where(Snapshot.name == of)).one()
        config = {"adaptation": "full", "backbone": backbone, "epochs": 3, "seed": 1}
        session.add(
            Run(
                name=name,
                snapshot_id=snapshot_id,
                config=config,
                config_digest=f"{name:0<64}",
                directory=f"runs/{name}",
                status=BuildStatus.READY,
                metrics={},
                created_at=NOW + timedelta(minutes=minutes),
            )
        )
    return directory


def add_study(project: Project, name: str, arms: dict[str, str]) -> None:
    """A finished study over snapshots by arm."""
    (project.root / "studies" / name).mkdir(parents=True)
    with project.database.write() as session:
        session.add(
            Study(
                name=name,
                plan={"arms": list(arms), "seeds": [0, 1], "split": "test", "adaptation": {"backbone": "shipped"}},
                plan_digest="0" * 64,
                directory=f"studies/{name}",
                status=BuildStatus.READY,
                result={"arms": {arm: {"snapshot": snapshot} for arm, snapshot in arms.items()}},
                created_at=NOW + timedelta(minutes=20),
            )
        )


def live_in(project: Project) -> None:
    """Three generations, an altered image of s0, two runs of which one adapts the other, and a study."""
    fill(project)
    generations(project)
    with project.database.write() as session:
        original = session.scalars(select(Image).where(Image.subject.has(key="s0"))).first()
        assert original is not None
        altered = {"origin": Origin.ALTERED, "altered_from_id": original.id, "alteration": {"name": "ghosting"}}
        add_image(project, session, picture(902), **altered)
    add_run(project, "direct", "base")
    add_run(project, "other", "third", backbone="runs/direct/model", saw={"subjects": ["s0"]})
    add_study(project, "trial", {"real_only": "base", "plus_raw": "third"})
    record_rows(project)


def images_of(project: Project, key: str) -> list[Image]:
    """The rows of a subject's images."""
    with project.database.read() as session:
        return list(
            session.scalars(select(Image).join(Subject, Subject.id == Image.subject_id).where(Subject.key == key))
        )


@pytest.fixture(scope="session")
def lived_world(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Path:
    """Three generations of generators, snapshots, runs and a study."""

    def make(root: Path) -> None:
        made = make_project(root)
        live_in(made)
        made.database.dispose()

    return make_once(tmp_path_factory, "lineage", make)


@pytest.fixture
def lived(lived_world: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of this test's own."""
    copied = Project.open(copy_world(lived_world, tmp_path / "lived"))
    yield copied
    copied.database.dispose()
