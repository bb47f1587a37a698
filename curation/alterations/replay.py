"""Draw a planted defect as parameters; apply them again with equal pixels.

As in torchio, `draw_defect` chooses where and how strongly to damage an image and returns plain parameters; `replay`
applies them and depends on nothing else. What was done to an image is a small dictionary that is stored beside it.
"""

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np

from curation.alterations.defects import KINDS, Defect
from curation.alterations.tissue import Field, map_tissue
from curation.errors import BadInput
from curation.image_store import Pixels, pixel_sha256

TRIES = 5
KEPT = 3  # index of the draw that is kept, sorted from the smallest change: the second largest of five
WRONG_LABEL = "wrong_label"  # no change of pixels: a real image under a class it does not show
_BY_NAME = {kind.name: kind for kind in KINDS}
PIXEL_DEFECTS = tuple(_BY_NAME)


def draw_defect(pixels: Pixels, name: str, seed: int) -> dict[str, Any]:
    """Draw a defect of the kind `name` for (H, W, C): `{"name", "seed", "parameters"}`, ready for JSON.

    Of several draws one is kept that is visible without being obvious. Raises BadInput for an unknown kind.
    """
    kind = _kind(name)
    key = hashlib.sha256(f"{seed}:{name}:{pixel_sha256(pixels)}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key[:8], "little"))
    image = _scaled(pixels)
    tissue_map = map_tissue(image)
    drawn = [kind.draw(random, tissue_map) for _ in range(TRIES)]
    drawn.sort(key=lambda defect: float(np.square(_clipped(defect.apply(image)) - image).sum()))
    return {"name": name, "seed": seed, "parameters": asdict(drawn[KEPT])}  # type: ignore[call-overload]


def replay(pixels: Pixels, alteration: dict[str, Any]) -> Pixels:
    """Apply a stored alteration to (H, W, C); shape and depth stay, and the values are the same every time."""
    drawn = alteration["parameters"]
    parameters = {key: tuple(value) if isinstance(value, list) else value for key, value in drawn.items()}
    defect = _kind(alteration["name"])(**parameters)
    whole = np.rint(_clipped(defect.apply(_scaled(pixels))) * np.iinfo(pixels.dtype).max)
    return whole.astype(np.uint8) if pixels.dtype == np.uint8 else whole.astype(np.uint16)


def _kind(name: str) -> type[Defect]:
    if name not in _BY_NAME:
        raise BadInput(f"expected a defect of {', '.join(PIXEL_DEFECTS)}; got {name!r}.")
    return _BY_NAME[name]


def _scaled(pixels: Pixels) -> Field:
    scaled: Field = pixels.astype(np.float64) / np.iinfo(pixels.dtype).max
    return scaled


def _clipped(image: Field) -> Field:
    return np.clip(image, 0.0, 1.0)
