"""The controls that every bake-off has: what an adaptation must beat to be worth anything. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Control:
    """A contestant that is no adaptation: it is measured, and leaves no run."""

    name: str
    summary: str
    settings_of: str  # the adaptation whose settings it takes
    seeded: bool  # whether chance has a part in it
    entries: Mapping[str, Any] = field(default_factory=dict)  # its defaults beside those of the plan
    has_share: bool = True  # whether the share of a network's weights that train means anything


CONTROLS = {
    control.name: control
    for control in (
        Control(
            "k-nn", "The classes of the ten nearest training images, by cosine of their features", "nearest-mean",
            seeded=False, has_share=False,
        ),
        Control(
            "random-weights", "The same backbone with random weights, its head fitted as by `logistic`", "logistic",
            seeded=True,
        ),
        Control(
            "raw-pixels", "Logistic regression on values of 16 x 16 areas, without a network", "logistic",
            seeded=False, has_share=False,
        ),
        Control(
            "small-cnn", "A small ResNet from random weights, all of it trained", "full", seeded=True,
            entries={"learning_rate": 1e-3},
        ),
    )
}  # fmt: skip
