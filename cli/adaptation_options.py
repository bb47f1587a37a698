"""The options that say how a backbone is adapted, alike in every command that has them."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.option_groups import option_of
from cli.terminal import with_options
from train.adaptation.rows.table import DEFAULT_METHOD, METHODS, rows_by_family

C = TypeVar("C", bound=Callable[..., Any])


class Setting(click.ParamType[tuple[str, float | int]]):
    """NAME=NUMBER, as `rounds adaptations NAME` calls it."""

    name = "NAME=NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float | int]:
        """Read the name and the number; fails with the option's name."""
        if isinstance(value, tuple):
            return value
        name, _, number = str(value).partition("=")
        try:
            return name, int(number) if number.lstrip("+-").isdigit() else float(number)
        except ValueError:
            self.fail(f"expected NAME=NUMBER such as lora_rank=4, got {value!r}.", param, ctx)


def adaptation_options(*more: str, also: str = "") -> Callable[[C], C]:
    """Give a command the method, its settings, the start of the fit and what is averaged after it.

    `more` are names beside those of methods, and `also` says in the help what they do.
    """
    option = option_of("The adaptation")
    return with_options(
        option(
            "--adaptation", metavar="METHOD", type=click.Choice([*more, *METHODS]), default=DEFAULT_METHOD.kind,
            show_default=True, help=f"A method of `rounds adaptations`{also}.",
        ),
        option(
            "--set", "settings", type=Setting(), multiple=True,
            help="A setting of the method, such as lora_rank=4. `rounds adaptations METHOD` names them. Repeatable.",
        ),
        option(
            "--start", type=click.Choice(["probe", "random"]),
            help="What the head starts from where the encoder moves: the optimum of a probe, or random weights. "
            "Default: probe, and for a run or study that there is already, its own.",
        ),
        option(
            "--interpolate", is_flag=True,
            help="Keep the point between start and end of the fit that is best on validation.",
        ),
        option(
            "--soup", type=click.IntRange(1, 100), default=1, show_default=True,
            help="Fit as often, from one start under seeds that follow each other, and average what helps validation.",
        ),
    )  # fmt: skip


def adaptation_values(options: dict[str, Any], stored: dict[str, Any] | None) -> dict[str, Any]:
    """Take the values of `adaptation_options` out of `options`, as entries of a configuration.

    What the command does not say, the configuration `stored` under the name decides, so that a run of an earlier
    version is found again; without one it is what suits the method.
    """
    method = options.pop("adaptation")
    row = METHODS[method].row
    suited = {} if row.frozen_encoder else {"start": "probe", "precision": "auto"}
    suited |= {} if row.summed else {"validation_weighting": "training"}
    entries = {"adaptation": method} | dict(options.pop("settings"))
    for name, default in {"start": "random", "precision": "float32", "validation_weighting": "images"}.items():
        if (chosen := options.pop(name, None)) is not None:
            entries[name] = chosen
        elif stored is not None:
            entries[name] = stored.get(name, default)
        else:
            entries[name] = suited.get(name, default)
    return entries


def families_text() -> str:
    """Name the methods of every family, for the help of a command."""
    return "\n\n".join(
        f"{family}: {', '.join(row.name for row in rows)}." for family, rows in rows_by_family().items() if rows
    )


def with_families(command: C) -> C:
    """Put the methods of every family into the help, before its example."""
    text = inspect.cleandoc(command.__doc__ or "")
    before, mark, example = text.partition("\b")
    command.__doc__ = f"{before.rstrip()}\n\n{families_text()}\n\n{mark}{example}"
    return command
