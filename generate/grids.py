"""Pictures of a fit under way: grids that a person looks at."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENLARGE = 2
GAP = 2


def tile(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """(N, H, W, C) uint8 in reading order to one (rows * H, columns * W, C) picture with thin gaps."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    picture = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 40, np.uint8)
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        top, left = row * (height + GAP), column * (width + GAP)
        picture[top : top + height, left : left + width] = image
    return picture


def save_grid(images: NDArray[np.uint8], columns: int, path: Path) -> None:
    """Write `images` (N, H, W, C) as an enlarged PNG."""
    picture = tile(images, columns).repeat(ENLARGE, axis=0).repeat(ENLARGE, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(path)
