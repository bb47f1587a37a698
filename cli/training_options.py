"""The options that say how a fit is carried out, alike in every command that trains a run."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.numbers import Real
from cli.option_groups import option_of
from cli.terminal import with_options
from train.augmentation.presets import NONE, PRESETS

OPTIMISER_GROUP = "The optimiser"
C = TypeVar("C", bound=Callable[..., Any])

images, optimiser = option_of("Images in training"), option_of(OPTIMISER_GROUP)
memory, stopping = option_of("Memory and time"), option_of("Early stopping, on validation images")
BALANCES: dict[str, dict[str, Any]] = {
    "sampling": {"class_balanced": True},
    "loss": {"class_balanced": True, "weighting": "loss"},
    "none": {"class_balanced": False},
}


def training_options(*more: str, stops: bool = True) -> Callable[[C], C]:
    """Give a command the settings of a fit, those of early stopping where its fits stop early.

    `more` are ways to use synthetic images beside those of the configuration.
    """
    use = images(
        "--synthetic", type=click.Choice(["mixed", "weighted", "pretrain", *more]), default="mixed", show_default=True,
        help="How synthetic images are used: drawn among the real ones, weighted in the loss, or seen first and then "
        f"the real ones alone{'; auto tries each, with --tune' if more else ''}.",
    )  # fmt: skip
    return with_options(*IMAGES, use, SHARE_OF_SYNTHETIC, *OPTIMISER, *MEMORY, *(STOPPING if stops else ()))


def training_values(options: dict[str, Any]) -> dict[str, Any]:
    """Take the values of `training_options` that are called otherwise in the configuration out of `options`.

    What has no value is left to the configuration.
    """
    values = dict(BALANCES[options.pop("balance")])
    if options.pop("no_early_stopping", False):
        if options["patience_epochs"] is not None or options["min_epochs"]:
            raise click.UsageError("--no-early-stopping goes without --patience and --min-epochs")
        values["patience"] = None
    return values


IMAGES = (
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
    images(
        "--balance", type=click.Choice([*BALANCES]), default="sampling", show_default=True,
        help="Let classes count alike, or by the class weights of the snapshot: by how often an image is drawn, or in "
        "the loss. Validation is weighted the same.",
    ),
)  # fmt: skip
SHARE_OF_SYNTHETIC = images(
    "--synthetic-share", type=Real(0, 1, min_open=True, max_open=True),
    help="What they are given: of the images drawn, the weight in the loss, or the steps. Default: as their weights in "
    "the snapshot say, and half of the steps.",
)  # fmt: skip
OPTIMISER = (
    optimiser(
        "--schedule", type=click.Choice(["cosine", "linear", "constant"]), default="cosine", show_default=True,
        help="How the learning rate goes after its warm-up.",
    ),
    optimiser("--warmup", "warmup_fraction", type=Real(0, 1, max_open=True), default=0.1, show_default=True,
              help="The share of the steps over which the learning rate rises."),
    optimiser("--weight-decay", type=Real(0, 1e6), default=0.01, show_default=True),
    optimiser("--clip", "max_gradient_norm", type=Real(0, 1e6, min_open=True),
              help="Clip gradients to this norm. Default: they are not clipped."),
    optimiser("--ema", "ema_decay", type=Real(0, 1, max_open=True), default=0.0, show_default=True,
              help="Measure and keep a moving average of the weights with this decay, such as 0.99; 0: none."),
)  # fmt: skip
MEMORY = (
    memory(
        "--accumulation", type=click.IntRange(1, 65_536), default=1, show_default=True,
        help="Take a batch in so many portions, whose gradients add up. Doubled where the memory does not hold one.",
    ),
    memory(
        "--gradient-checkpointing", is_flag=True,
        help="Compute activations again on the way back: less memory, more time.",
    ),
    memory(
        "--precision", type=click.Choice(["auto", "float32", "bfloat16"]),
        help="What the network computes in; auto: bfloat16 on a GPU that can, else float32. Default: auto where "
        "weights of the encoder move, and for a run or study that there is already, its own.",
    ),
)  # fmt: skip
STOPPING = (
    stopping("--patience", "patience_epochs", type=click.IntRange(1, 100_000), metavar="EPOCHS",
             help="Stop after so many epochs without a lower validation loss. Default: a quarter of all steps."),
    stopping("--min-epochs", type=click.IntRange(0, 100_000), default=0, show_default=True,
             help="Do not stop before."),
    stopping("--no-early-stopping", is_flag=True, help="Take every step; the best weights are kept all the same."),
    stopping("--evaluations", type=click.IntRange(1, 100_000), default=20, show_default=True,
             help="How often validation is measured."),
)  # fmt: skip
