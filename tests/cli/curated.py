"""A small curated project, and commands that train and study in it."""

from pathlib import Path

from curation.project import Project
from curation.tables.images import Split
from tests.cli.queueing import run
from tests.rows import add_batch, add_generator, add_import, add_real

SIZES = {Split.TRAIN: 8, Split.VALIDATION: 6, Split.TEST: 6}


def curate(project: Project) -> Project:
    """Fill a project with real images of two classes in three splits, and the snapshot `real` of them."""
    with project.database.write() as session:
        source, number = add_import(session), 0
        for split, count in SIZES.items():
            for _ in range(count):
                add_real(project, session, source, number, ("a", "b")[number % 2], split)
                number += 1
        add_batch(project, session, add_generator(session, "g", ("s0",), ()), ["a", "b"])
    run(project, "snapshot", "build", "real", "--synthetic", "none")
    return project


def train_command(backbone: Path, *more: str) -> tuple[str, ...]:
    options = ("--backbone", str(backbone), "--allow-unknown-provenance", "--steps", "4", "--batch-size", "4")
    return ("train", "--snapshot", "real", "--name", "mine", *options, *more)


def study_command(backbone: Path, *more: str) -> tuple[str, ...]:
    arms = ("--arm", "real_only", "--arm", "plus_raw")
    return (
        "study",
        "run",
        "first",
        *arms,
        "--seeds",
        "2",
        "--steps",
        "3",
        "--backbone",
        str(backbone),
        "--allow-unknown-provenance",
        *more,
    )
