"""The table of augmentation presets: what each kind of image may go through in training. Torch-free.

Turns are in degrees, shifts and zooms in shares of the side. Where a side of the body is part of what an image shows
(MR, X-ray, ultrasound), nothing mirrors it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NONE = "none"
Settings = Mapping[str, float | tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset: its changes in their order, each a function of `transforms` with its settings."""

    name: str
    summary: str
    changes: tuple[tuple[str, Settings], ...]


def _placed(turn: float, shift: float, zoom: float) -> tuple[str, Settings]:
    return "place", {"turn": turn, "shift": shift, "zoom": zoom}


ROWS = (
    Preset(
        "brain_mr",
        "turns to 10 degrees, shifts, zoom, gamma, coil shading, noise; never mirrored",
        (
            _placed(10, 0.05, 0.1),
            ("gamma", {"range": (0.7, 1.4)}),
            ("shading", {"range": (0.0, 0.15)}),
            ("noise", {"std": 0.03}),
        ),
    ),
    Preset(
        "chest_xray",
        "turns to 7 degrees, shifts, zoom, gamma, exposure, noise; never mirrored",
        (
            _placed(7, 0.05, 0.1),
            ("gamma", {"range": (0.7, 1.4)}),
            ("exposure", {"share": 0.1}),
            ("noise", {"std": 0.02}),
        ),
    ),
    Preset(
        "ultrasound",
        "turns to 5 degrees, shifts, zoom, gamma, gain, blur; never mirrored",
        (
            _placed(5, 0.05, 0.1),
            ("gamma", {"range": (0.7, 1.4)}),
            ("exposure", {"share": 0.15}),
            ("blur", {"range": (0.25, 0.8)}),
        ),
    ),
    Preset(
        "microscopy",
        "mirrored, quarter turns, small turns and zoom, stain (Tellez et al. 2018), focus",
        (
            ("mirror", {}),
            ("quarter_turns", {}),
            _placed(10, 0.05, 0.1),
            ("stain", {"strength": 0.05}),
            ("blur", {"range": (0.25, 0.7)}),
        ),
    ),
    Preset(
        "skin",
        "mirrored, quarter turns, turns to 15 degrees, zoom, colour, gamma",
        (
            ("mirror", {}),
            ("quarter_turns", {}),
            _placed(15, 0.05, 0.15),
            ("exposure", {"share": 0.1}),
            ("gamma", {"range": (0.8, 1.25)}),
        ),
    ),
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in ROWS}
