"""`rounds shipped`: rebuild the data that the shipped weights were fitted on."""

from pathlib import Path

import click

from cli.numbers import PROCESSES
from cli.paths import LocalPath
from cli.terminal import progress_bar


@click.group()
def shipped() -> None:
    """Rebuild the data that the shipped weights were fitted on: virtual subjects that no project can import.

    \b
    Example:
      rounds shipped snapshot --out snapshot --train 6000 --validation 300
    """


@shipped.command()
@click.option("--out", type=LocalPath(path_type=Path), required=True, help="A new directory.")
@click.option(
    "--train",
    type=click.IntRange(1, 100_000),
    default=6000,
    show_default=True,
    help="How many subjects from the start of the reserved range.",
)
@click.option(
    "--validation",
    type=click.IntRange(1, 100_000),
    default=300,
    show_default=True,
    help="How many subjects from its end, to score the fit.",
)
@click.option("--workers", type=PROCESSES, default=2, show_default=True, help="How many processes render.")
def snapshot(out: Path, train: int, validation: int, workers: int) -> None:
    """Render the reserved subjects into a snapshot folder.

    \b
    Example:
      rounds shipped snapshot --out snapshot --train 6000 --validation 300
    """
    from curation.ingest.virtual_brains.shipped import write_shipped_snapshot

    with progress_bar("rendering", quiet=True):
        write_shipped_snapshot(out, train, validation, workers)
    click.echo(f"{out}: {train} training and {validation} validation subjects of the reserved range")
