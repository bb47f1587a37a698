"""Commands that train and study in a small curated project."""

from pathlib import Path


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
