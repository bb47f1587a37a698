"""The option `--resume NAME` of commands, and what cannot stand beside such an option."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

C = TypeVar("C", bound=Callable[..., Any])


def resume_option(what: str) -> Callable[[C], C]:
    """The option --resume of a command that makes a thing of this kind."""
    return click.option("--resume", metavar="NAME", help=f"Continue the {what} of this name with what is stored of it.")


def refuse_beside_resume(*taken: str) -> None:
    """Raise UsageError for any parameter given beside --resume, except those `taken`: they would have no effect."""
    refuse_beside("resume", "--resume NAME", *taken)


def refuse_beside(name: str, written: str, *taken: str) -> None:
    """Raise UsageError for any parameter given beside the one called `name`, except those `taken`."""
    if without_effect := given_beside(name, *taken):
        raise click.UsageError(f"{written} goes without {', '.join(without_effect)}: what it continues has its own")


def given_beside(*taken: str) -> list[str]:
    """Name the parameters that this command line gives, except those `taken`."""
    context = click.get_current_context()
    return [
        parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        for parameter in context.command.params
        if parameter.name not in taken
        and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
