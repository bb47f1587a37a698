"""Planted defects: an image damaged on purpose, in a way that an attentive reader sees and a generator might do.

As in torchio, a defect is drawn and then applied: `draw_defect` looks at the picture, chooses where and how strongly,
and returns plain parameters; `replay` applies them and depends on nothing else. What was done to an image is therefore
a small dictionary beside it, and doing it again gives equal pixels.
"""

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np

from curation.alterations.defects import KINDS, Defect
from curation.alterations.tissue import Field, look_at
from curation.errors import BadInput
from curation.image_store import Pixels, pixel_sha256

TRIES = 5
KEPT = 3  # of the draws in order of how much they change: over the middle
WRONG_LABEL = "wrong_label"  # no change of pixels: a real image under a class it does not show
_BY_NAME = {kind.name: kind for kind in KINDS}
PIXEL_DEFECTS = tuple(_BY_NAME)


def draw_defect(pixels: Pixels, name: str, seed: int) -> dict[str, Any]:
    """Choose one defect of the kind `name` for (H, W, C): `{"name", "seed", "parameters"}`, ready for JSON.

    Of a few draws one of more than middling change is kept: fair to see, and not so gross that nobody need look.
    Raises BadInput for an unknown kind.
    """
    kind = _kind(name)
    key = hashlib.sha256(f"{seed}:{name}:{pixel_sha256(pixels)}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key[:8], "little"))
    picture = _scaled(pixels)
    look = look_at(picture)
    drawn = [kind.draw(random, look) for _ in range(TRIES)]
    drawn.sort(key=lambda defect: float(np.square(_clipped(defect.apply(picture)) - picture).sum()))
    return {"name": name, "seed": seed, "parameters": asdict(drawn[KEPT])}  # type: ignore[call-overload]


def replay(pixels: Pixels, alteration: dict[str, Any]) -> Pixels:
    """Damage (H, W, C) as an alteration says; the same shape and depth, and the same values every time."""
    parameters = {
        key: tuple(value) if isinstance(value, list) else value for key, value in alteration["parameters"].items()
    }
    defect = _kind(alteration["name"])(**parameters)
    damaged = _clipped(defect.apply(_scaled(pixels))) * np.iinfo(pixels.dtype).max
    whole = np.rint(damaged)
    return whole.astype(np.uint8) if pixels.dtype == np.uint8 else whole.astype(np.uint16)


def _kind(name: str) -> type[Defect]:
    if name not in _BY_NAME:
        raise BadInput(f"expected a defect of {', '.join(PIXEL_DEFECTS)}; got {name!r}.")
    return _BY_NAME[name]


def _scaled(pixels: Pixels) -> Field:
    scaled: Field = pixels.astype(np.float64) / np.iinfo(pixels.dtype).max
    return scaled


def _clipped(picture: Field) -> Field:
    return np.clip(picture, 0.0, 1.0)
