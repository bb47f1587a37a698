"""Write what documents take from the code: the help of every command, and the table of adaptations.

A test compares the pages with the code.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from cli.main import rounds
from train.adaptation.table_page import put_table

HEADER = "# Commands\n\nEvery command with its help, written by `make docs`.\n"


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below `command`, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, (*path, name))


def render() -> str:
    """The whole page as Markdown."""
    sections = [HEADER]
    for path, command in walk(rounds, ("rounds",)):
        settings = {**rounds.context_settings, "max_content_width": 100, "terminal_width": 100}
        context = click.Context(command, info_name=" ".join(path), **settings)
        sections.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(sections)


def main() -> None:
    """Write the pages."""
    docs = Path(__file__).parent.parent / "docs"
    (docs / "commands.md").write_text(render())
    adaptation = docs / "adaptation.md"
    adaptation.write_text(put_table(adaptation.read_text()))
    click.echo("wrote docs/commands.md and the table in docs/adaptation.md")


if __name__ == "__main__":
    main()
