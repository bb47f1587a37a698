"""Options that stand under a heading of their own in the help of a command."""

from collections.abc import Callable
from functools import partial
from typing import Any

import click


class GroupedOption(click.Option):
    """An option that names its heading."""

    def __init__(self, *parameters: Any, group: str, **attributes: Any) -> None:
        super().__init__(*parameters, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists the options under their headings, those without one last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order of the first option of each."""
        sections: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None or isinstance(parameter, click.Argument):
                continue
            lines = sections.setdefault(parameter.group, []) if isinstance(parameter, GroupedOption) else rest
            lines.append(record)
        for heading, records in [*sections.items(), ("Options", rest)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def option_of(group: str) -> Callable[..., Callable[[Any], Any]]:
    """Make `click.option` for options under one heading."""
    return partial(click.option, cls=GroupedOption, group=group)
