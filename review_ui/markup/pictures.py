"""Stored images inside a page, as `data:` URLs, so that no address serves them to anybody else."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from curation.image_store import ImageStore, Pixels
from curation.reader_study.consensus import ImageConsensus
from curation.tables.reading import Verdict
from review_ui.figures.readings import GivenReading
from review_ui.markup.plots import MARKS, readable


def data_url(pixels: Pixels) -> str:
    """(H, W, C) pixels as a PNG, 8 bit; 16 bit is scaled by its maximum."""
    eight = pixels if pixels.dtype == np.uint8 else (pixels / max(1, pixels.max()) * 255).astype(np.uint8)
    out = io.BytesIO()
    PillowImage.fromarray(eight[:, :, 0] if eight.shape[2] == 1 else eight).save(out, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def marked_image(pixels: Pixels, alt: str, mark: dict[str, Any] | None = None) -> str:
    """An image with the place that a reader marked."""
    height, width = pixels.shape[:2]
    place = _mark(mark, height, width) if mark else ""
    return f'<div class="r-picture"><img src="{data_url(pixels)}" alt="{escape(alt)}">{place}</div>'


def _mark(mark: dict[str, Any], height: int, width: int) -> str:
    x, y = 100 * float(mark["x"]) / width, 100 * float(mark["y"]) / height
    if mark["kind"] == "point":
        return f'<i class="r-point" style="left:{x:.2f}%;top:{y:.2f}%"></i>'
    across, down = 100 * float(mark["width"]) / width, 100 * float(mark["height"]) / height
    return f'<i class="r-box" style="left:{x:.2f}%;top:{y:.2f}%;width:{across:.2f}%;height:{down:.2f}%"></i>'


def gallery(store: ImageStore, rows: list[GivenReading], texts: dict[str, str]) -> str:
    """Readings as cards: the image, its class, the reasons, the comment."""
    return f'<ul class="r-gallery">{"".join(_card(store, row, texts) for row in rows)}</ul>'


def _card(store: ImageStore, row: GivenReading, texts: dict[str, str]) -> str:
    why = ", ".join(texts.get(code, code) for code in row.reasons) or "no reason given"
    comment = f"<q>{escape(row.comment)}</q>" if row.comment else ""
    grid = '<em class="r-tag">grid</em>' if row.is_grid else ""
    picture = marked_image(store.pixels(row.file_sha256), readable(row.label), row.mark)
    return (
        f"<li>{picture}<strong>{escape(readable(row.label))} {grid}</strong>"
        f'<span><b class="r-reject" title="rejected">{MARKS[Verdict.REJECT]}</b> {escape(why)}</span>{comment}</li>'
    )


def consensus_gallery(store: ImageStore, images: Sequence[ImageConsensus], digests: dict[int, str]) -> str:
    """Images with the consensus of their readers, and how sure it is."""
    cards = [
        f"<li>{marked_image(store.pixels(digests[image.image_id]), f'Image {image.image_id}')}"
        f"<strong>{image.quality:.2f}</strong><span>{'accepted' if image.accepted else 'not accepted'}, "
        f"{image.readers} readers</span></li>"
        for image in images
    ]
    return f'<ul class="r-gallery">{"".join(cards)}</ul>'
