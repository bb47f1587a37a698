"""`rounds shipped`: make again what generate/shipped and train/shipped were fitted on."""

from pathlib import Path

import click


@click.group()
def shipped() -> None:
    """Make again what the shipped weights were fitted on: virtual subjects of a reserved range, nobody's held-out ones.

    \b
    Example:
      rounds shipped snapshot --out snapshot --train 6000 --validation 300
    """


@shipped.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new directory.")
@click.option("--train", default=6000, show_default=True, help="Subjects from the start of the reserved range.")
@click.option("--validation", default=300, show_default=True, help="Subjects from its end, for the fit's own scores.")
@click.option("--workers", default=2, show_default=True, help="Processes that render.")
def snapshot(out: Path, train: int, validation: int, workers: int) -> None:
    """Render the reserved subjects into a snapshot folder.

    \b
    Example:
      rounds shipped snapshot --out snapshot --train 6000 --validation 300
    """
    from curation.ingest.virtual_brains.shipped import write_shipped_snapshot

    write_shipped_snapshot(out, train, validation, workers)
    click.echo(f"{out}: {train} training and {validation} validation subjects of the reserved range")
