"""The options that say how a fit is carried out, alike in every command that trains a run."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.numbers import Real
from cli.option_groups import option_of
from cli.terminal import with_options
from train.augmentation.presets import NONE, PRESETS

C = TypeVar("C", bound=Callable[..., Any])

images = option_of("Images in training")


def training_options() -> Callable[[C], C]:
    """Give a command the settings of a fit; each is called as in the configuration."""
    return with_options(
        images(
            "--augment", type=click.Choice([NONE, *PRESETS]), default=NONE, show_default=True,
            help="Change training images at every step, as suits their kind. Where weights of the encoder move.",
        ),
        images(
            "--mix", type=click.Choice(["none", "mixup", "cutmix"]), default="none", show_default=True,
            help="Mix the images of a batch with each other, and their labels in the same shares.",
        ),
        images(
            "--mix-alpha", type=Real(0, 100, min_open=True),
            help="Of the Beta distribution of the shares. Default: 0.2 of mixup, 1 of cutmix.",
        ),
    )  # fmt: skip
