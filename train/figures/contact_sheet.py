"""Draw images found as a sheet to look at. Torch-free."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from curation.files import whole_file
from curation.image_store import Pixels

TILE = 192  # pixels of a side that an image fits in
LINE = 14
COLUMNS = 6
BACKGROUND, INK = (16, 16, 16), (232, 232, 232)


def draw_sheet(title: str, pictures: Sequence[tuple[Pixels, Sequence[str]]], target: Path) -> Path:
    """Draw pictures (H, W, C), each over its lines of text, under a title, and write them as one PNG file."""
    lines = max((len(texts) for _, texts in pictures), default=0)
    columns = min(COLUMNS, max(1, len(pictures)))
    height, rows = TILE + 8 + lines * LINE + 8, math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * (TILE + 8) + 8, 2 * LINE + 8 + rows * height), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    draw.text((8, 6), _fitting(title, sheet.width - 16, font), fill=INK, font=font)
    for number, (pixels, texts) in enumerate(pictures):
        left, top = 8 + number % columns * (TILE + 8), 2 * LINE + 8 + number // columns * height
        picture = _tile(pixels)
        sheet.paste(picture, (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2))
        for line, text in enumerate(texts):
            draw.text((left, top + TILE + 4 + line * LINE), _fitting(text, TILE, font), fill=INK, font=font)
    with whole_file(target) as partial:
        sheet.save(partial, format="PNG")
    return target


def _tile(pixels: Pixels) -> Image.Image:
    """Scale a picture to a tile; 16 bit gray is shown between its least and its greatest value."""
    values = pixels.astype(np.float64)
    if pixels.dtype == np.uint16:
        values = (values - values.min()) / max(1.0, float(np.ptp(values))) * 255
    shown: NDArray[np.uint8] = np.rint(values).astype(np.uint8)
    picture = Image.fromarray(shown[:, :, 0] if shown.shape[2] == 1 else shown).convert("RGB")
    scale = TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut a line where it would leave its place."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
