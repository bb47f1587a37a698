"""`rounds adaptations`: every way to adapt a backbone."""

import click

from cli.terminal import emit, json_option
from train.adaptation.rows.row import Adaptation
from train.adaptation.rows.table import METHODS, rows_by_family
from train.adaptation.table_page import table_as_values


@click.command()
@click.argument("name", required=False)
@json_option
def adaptations(name: str | None, as_json: bool) -> None:
    """List every way to adapt a backbone, or show the one called NAME with its settings.

    A setting is given to `rounds train` as --set SETTING=NUMBER.

    \b
    Example:
      rounds adaptations
      rounds adaptations lora
    """
    if name is not None and name not in METHODS:
        raise click.UsageError(f"no adaptation named {name!r}; `rounds adaptations` lists them")
    values = [row for row in table_as_values() if name in (None, row["name"])]
    if as_json:
        emit(values, as_json)
    elif name is not None:
        emit(values[0], as_json, title=f"adaptation {name}")
    else:
        for family, rows in rows_by_family().items():
            click.echo(f"{family}\n" + "\n".join(_line(row) for row in rows) + "\n")


def _line(row: Adaptation) -> str:
    return f"  {row.name:<14} {row.summary}"
