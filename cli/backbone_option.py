"""The option `--backbone`, alike in every command that has it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


def backbone_option(purpose: str = "The backbone for features") -> Callable[[C], C]:
    """Make the option; left out, `rounds.toml` decides, and without a word there it is the shipped backbone."""
    what = "`shipped`, a name from `rounds backbone list`, a Hugging Face id or a directory"
    return click.option(
        "--backbone", help=f"{purpose}: {what}. Default: the one that rounds.toml names, else `shipped`."
    )
