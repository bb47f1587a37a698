"""Numbers on the command line: each within stated bounds, never `nan`, `inf` or too long."""

import math
from typing import Any

import click

MOST_IMAGES = 10_000_000
MOST_STEPS = 10_000_000


class Real(click.FloatRange):
    """A number between two bounds; `nan`, which no comparison refuses, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number; fails with the option's name."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class RowId(click.types.IntParamType):
    """The number of a row, as the database can hold it; a help text need not say how high that is."""

    min, max = 1, 2**63 - 1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number; fails with the option's name."""
        number = super().convert(value, param, ctx)
        if not self.min <= number <= self.max:
            self.fail(f"{value} is not the number of a row.", param, ctx)
        return number


ROW_ID = RowId()
SEED = click.IntRange(0, 2**31 - 1)
IMAGES = click.IntRange(1, MOST_IMAGES)
STEPS = click.IntRange(1, MOST_STEPS)
LINES = click.IntRange(1, 1_000_000)
PROCESSES = click.IntRange(1, 256)
PORT = click.IntRange(0, 65_535)
SHARE = Real(0, 1)
INPUT_SIZE = click.IntRange(1, 4096)
EPSILON = Real(0, 1_000, min_open=True)
DELTA = Real(0, 1, min_open=True, max_open=True)
EFFECT = Real(0, 1, min_open=True)
CLIP = Real(0, 1_000, min_open=True)
LEARNING_RATE = Real(0, 1e38, min_open=True)  # a 32 bit number; one that is too high is stopped where it diverges
