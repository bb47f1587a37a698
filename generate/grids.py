"""Image grids of a fit, for people to look at."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENLARGE = 2
GAP = 2


def tile_images(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Lay out (N, H, W, C) images in reading order as one (rows * H, columns * W, C) image with thin gaps."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    grid = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 40, np.uint8)
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        top, left = row * (height + GAP), column * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid


def save_grid(images: NDArray[np.uint8], columns: int, path: Path) -> None:
    """Write `images` (N, H, W, C) as an enlarged PNG."""
    grid = tile_images(images, columns).repeat(ENLARGE, axis=0).repeat(ENLARGE, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid[:, :, 0] if grid.shape[2] == 1 else grid).save(path)
